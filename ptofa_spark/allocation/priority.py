"""The order in which the manual strategy serves the funds (paper, section 4.1): by historical conversion rate."""

from __future__ import annotations

import logging

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.allocation.alphas import fund_alphas
from ptofa_spark.allocation.passes import Passes
from ptofa_spark.allocation.problem import Funds, Ints
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.errors import ConfigError

logger = logging.getLogger(__name__)


def log_for_priority(settings: AllocateSettings) -> str | None:
    """The log of exposures that the order of funds is read from; None where none is."""
    return settings.exposures if settings.method == "manual" and settings.priority is None else None


def fund_priority(
    funds: Funds, passes: Passes, grid: Ints, settings: AllocateSettings, exposures: DataFrame | None
) -> Ints:
    """Fund numbers, first served first: the given order, else by conversion rate in the log, else by mean score.

    Ties, and funds that the order does not name, stand by fund_id. (funds,).

    Args:
        funds: of the campaign.
        passes: the score table.
        grid: (funds,), exponents of the grids that scores are summed on.
        settings: what is asked for.
        exposures: the log that `log_for_priority` names.

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
    if exposures is not None:
        counts = exposures.groupBy("fund_id").agg(
            F.count("*").alias("shown"), F.sum(F.col("conversion").cast("long")).alias("converted")
        )
        rate = {row["fund_id"]: row["converted"] / row["shown"] for row in counts.collect()}
        worth = np.array([rate.get(fund, 0.0) for fund in funds.ids])
    else:
        everyone = passes.classes.eligible
        users = (passes.classes.users[:, None] * everyone).sum(axis=0)
        worth = fund_alphas(passes, (), settings.k, everyone, users, grid)
    order = np.argsort(-worth, kind="stable")
    logger.info(
        "priority=%s by=%s", ",".join(funds.ids[f] for f in order), "mean score" if exposures is None else "log"
    )
    return order.astype(np.int64)
