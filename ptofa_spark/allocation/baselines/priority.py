"""The order in which the manual strategy serves the funds (paper, section 4.1): by historical conversion rate."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.allocation.heuristic.alphas import fund_alphas
from ptofa_spark.allocation.problem.problem import Funds
from ptofa_spark.allocation.scores.reading.account import mistaken
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.arrays import Ints
from ptofa_spark.errors import ConfigError, TableError
from ptofa_spark.tables.name_lists import in_quotes, readings
from ptofa_spark.tables.near_names import difference, instead

_SEPARATOR = ","

logger = logging.getLogger(__name__)


def log_for_priority(settings: AllocateSettings) -> str | None:
    """The log of exposures that the order of funds is read from; None where none is."""
    return settings.exposures if settings.priority is None else None


def fund_priority(
    funds: Funds, score_table: ScoreTable, grid: Ints, settings: AllocateSettings, exposures: DataFrame | None
) -> Ints:
    """Fund numbers, first served first: the given order, else by conversion rate in the log, else by mean score.

    Ties, and funds that the order does not name, stand by fund_id. (funds,). The whole log counts, whatever its
    campaigns: they are the past ones that the rates are of.

    Args:
        funds: of the campaign.
        score_table: the score table.
        grid: (funds,), exponents of the grids that scores are summed on.
        settings: what is asked for.
        exposures: the log that `log_for_priority` names.

    Raises:
        ConfigError: the given order names a fund that has no demand.
        TableError: the log holds a name that nearly meets a fund of the campaign.
    """
    if settings.priority is not None:
        given = _given(settings.priority, funds)
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
        if not settings.allow_unscored:
            _require_same_names(funds, rate, str(settings.exposures))
        worth = np.array([rate.get(fund, 0.0) for fund in funds.ids])
    else:
        everyone = score_table.classes.eligible
        users = (score_table.classes.users[:, None] * everyone).sum(axis=0)
        worth = fund_alphas(score_table, (), settings.k, everyone, users, grid)
    order = np.argsort(-worth, kind="stable")
    logger.info(
        "priority=%s by=%s", ",".join(funds.ids[f] for f in order), "mean score" if exposures is None else "log"
    )
    return order.astype(np.int64)


def _given(text: str, funds: Funds) -> list[str]:
    """The funds of an order as it is written; a name that is there as it stands is taken before one without blanks."""
    bare = Counter(fund.strip() for fund in funds.ids)
    ways = [
        # Where outer blanks alone tell two funds apart, they are not dropped.
        [name if name in funds.ids or bare[name.strip()] > 1 else name.strip() for name in names]
        for names in readings(text, _SEPARATOR)
        if names
    ]
    names = min(ways, key=lambda names: sum(name not in funds.ids for name in names), default=[""])
    unknown = [name for name in names if name not in funds.ids]
    if not unknown:
        return names
    said = f"allocate: priority names {', '.join(map(repr, unknown))}"
    if all(name in funds.others for name in unknown):
        raise ConfigError(f"{said}, without a demand in the campaign: leave it out")
    with_comma = [fund for fund in funds.ids if _SEPARATOR in fund]
    quotes = f"; a name with a comma stands in double quotes: {in_quotes(with_comma[0])}" if with_comma else ""
    raise ConfigError(f"{said}; {instead(unknown[0], funds.ids, 'fund', 'of the campaign')}{quotes}")


def _require_same_names(funds: Funds, logged: Mapping[str, float], table: str) -> None:
    for fund, other in mistaken(funds.ids, logged.keys() - set(funds.ids), funds.others):
        raise TableError(
            f"table {table}: exposures are of fund {other!r}, the campaign has {fund!r} (they differ by "
            f"{difference(fund, other)}): name it the same way in every table, or give --allow-unscored to leave them "
            "out of the rate"
        )
