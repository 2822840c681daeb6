"""The fund features that are not attributes, each declared once. They use the fund's row and recent events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from ptofa_spark.features.facts.past import Activity, Events


@dataclass(frozen=True)
class RecentCount:
    """How many events of one sort a fund had in the days before a campaign's start.

    name: of the sort; events: the sort that is counted; days: how many.
    """

    name: str
    events: Callable[[Activity], Events]
    days: int = 90

    @property
    def column(self) -> str:
        """The column that holds the count."""
        return f"{self.name}_in_{self.days}_days"


@dataclass(frozen=True)
class FundFeature:
    """A fund feature. counts: what it needs besides the fund's row; value: a column from the counts, in order."""

    counts: tuple[RecentCount, ...]
    value: Callable[..., Column]


# Recent events of a fund, by sort.
PURCHASES = RecentCount("purchases", lambda activity: activity.purchases)
EXPOSURES = RecentCount("exposures", lambda activity: activity.exposures)
CONVERSIONS = RecentCount("conversions", lambda activity: activity.conversions)
# A fund without exposures gets one conversion per thousand exposures. This prior weighs a thousand exposures.
_PRIOR_CONVERSIONS, _PRIOR_EXPOSURES = 1.0, 1_000.0

DECLARED_FUND_FEATURES: dict[str, FundFeature] = {
    "f_fund_id": FundFeature((), lambda: F.col("fund_id")),
    "f_risk_level": FundFeature((), lambda: F.col("risk_level").cast("double")),
    "f_purchases_90d": FundFeature((PURCHASES,), lambda purchases: F.log1p(purchases.cast("double"))),
    "f_log_conversion_rate": FundFeature(
        (CONVERSIONS, EXPOSURES),
        lambda conversions, exposures: F.log((conversions + _PRIOR_CONVERSIONS) / (exposures + _PRIOR_EXPOSURES)),
    ),
}

RECENT_COUNTS = {count.column: count for feature in DECLARED_FUND_FEATURES.values() for count in feature.counts}
COUNTED_EVENTS = {count.name: count.events for count in RECENT_COUNTS.values()}
