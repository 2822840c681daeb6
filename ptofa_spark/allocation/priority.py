"""The order in which the manual strategy serves the funds (paper, section 4.1): by historical conversion rate."""

from __future__ import annotations

import logging

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.alphas import fund_alphas
from ptofa_spark.allocation.passes import Passes
from ptofa_spark.allocation.problem import Funds, Ints
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.errors import ConfigError
from ptofa_spark.tables.reading import read_table
from ptofa_spark.tables.schemas import EXPOSURES

logger = logging.getLogger(__name__)


def fund_priority(spark: SparkSession, funds: Funds, passes: Passes, grid: Ints, settings: AllocateSettings) -> Ints:
    """Fund numbers, first served first: the given order, else by conversion rate in the log, else by mean score.

    Ties, and funds that the order does not name, stand by fund_id. (funds,).

    Raises:
        ConfigError: the given order names a fund that has no demand.
    """
    if settings.priority is not None:
        given = [fund.strip() for fund in settings.priority.split(",")]
        unknown = [fund for fund in given if fund not in funds.ids]
        if unknown:
            raise ConfigError(f"allocate: priority names {', '.join(unknown)}; the campaign has {', '.join(funds.ids)}")
        return np.array(
            sorted(
                range(len(funds)), key=lambda f: (given.index(funds.ids[f]) if funds.ids[f] in given else len(given), f)
            )
        )
    if settings.exposures is not None:
        rates = read_table(spark, settings.exposures, EXPOSURES).groupBy("fund_id")
        counts = rates.agg(F.count("*").alias("shown"), F.sum(F.col("conversion").cast("long")).alias("converted"))
        rate = {row["fund_id"]: row["converted"] / row["shown"] for row in counts.collect()}
        worth = np.array([rate.get(fund, 0.0) for fund in funds.ids])
    else:
        everyone = passes.classes.eligible
        users = (passes.classes.users[:, None] * everyone).sum(axis=0)
        worth = fund_alphas(passes, (), settings.k, everyone, users, grid)
    order = np.argsort(-worth, kind="stable")
    logger.info(
        "priority=%s by=%s", ",".join(funds.ids[f] for f in order), "log" if settings.exposures else "mean score"
    )
    return order.astype(np.int64)
