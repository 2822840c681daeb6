"""Allocations and exposures under the simulator's truth: all meet it in one join, since it has a row for every pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.arrays import Floats
from ptofa_spark.arrow_tables import padded
from ptofa_spark.errors import TableError
from ptofa_spark.evaluation.logged.off_policy import PER_MILLE
from ptofa_spark.evaluation.truth.oracle import true_revenue

_LN10 = float(np.log(10.0))
KEY = ("campaign_id", "user_id", "fund_id")
TRUE = ("true_p_c", "true_log10", "true_revenue")
_EXPOSURE = -1
# A value is added as its whole part and the rest in trillionths: in whole numbers, so in any order.
_PARTS = 10**12
# Rows, rows with a truth, and the two parts of the sums of p_c and of revenue.
_SUMS = ("rows", "known", "conversions", "conversions_rest", "revenue", "revenue_rest")
# A row per exposure, and a row of sums per batch and allocation.
_KNOWN = pa.schema(
    [
        ("place", pa.int32()),
        ("campaign_id", pa.string()),
        ("user_id", pa.int64()),
        ("fund_id", pa.string()),
        *[(name, pa.float64()) for name in TRUE],
        *[(name, pa.int64()) for name in _SUMS],
    ]
)


@dataclass(frozen=True)
class TrueWorth:
    """Expected conversions and revenue per mille exposures under the truth (paper, eq. 8), and the exposures."""

    cpme: float
    rpme: float
    exposures: int

    @property
    def revenue(self) -> float:
        """Expected revenue of all exposures, money."""
        return self.rpme * self.exposures / PER_MILLE


@dataclass(frozen=True)
class Known:
    """What the truth says: of exposures, the columns KEY and TRUE, sorted by KEY; of each allocation, its worth."""

    exposures: pa.Table
    worths: dict[str, TrueWorth]


def true_worth(allocation: DataFrame, truth: DataFrame) -> TrueWorth:
    """Sums of p_c and p_c * exp(mu + sigma^2 / 2) over the allocated pairs, per mille exposures (paper, eq. 2 and 8).

    Args:
        allocation: user_id and fund_id, one row per exposure.
        truth: rows of `truth`, one row per user-fund pair.

    Raises:
        TableError: a pair of the allocation has no truth.
    """
    return known(None, {"": allocation}, truth).worths[""]


def known(exposures: DataFrame | None, allocations: Mapping[str, DataFrame], truth: DataFrame) -> Known:
    """The truth of exposures, and the worth of allocations, in one join.

    Args:
        exposures: the columns KEY; few enough for the driver. An exposure without a truth gets null.
        allocations: by name; user_id and fund_id, one row per exposure.
        truth: rows of `truth`, one row per user-fund pair.

    Raises:
        TableError: a pair of an allocation has no truth.
    """
    asked = [] if exposures is None else [exposures.select(F.lit(_EXPOSURE).alias("place"), *KEY)]
    nothing = F.lit(None).cast("string").alias("campaign_id")
    asked += [
        each.select(F.lit(place).alias("place"), nothing, "user_id", "fund_id")
        for place, each in enumerate(allocations.values())
    ]
    met = reduce(DataFrame.unionAll, asked).join(
        truth.select("user_id", "fund_id", "p_c", "mu", "sigma"), on=["user_id", "fund_id"], how="left"
    )
    rows = met.select(
        "place",
        *KEY,
        F.col("p_c").alias("true_p_c"),
        (F.col("p_c") * F.col("mu") / _LN10).alias("true_log10"),
        true_revenue().alias("true_revenue"),
    )
    found = rows.mapInArrow(_summed, from_arrow_schema(_KNOWN)).toArrow()
    of_exposures = found.filter(found["rows"].is_null()).select([*KEY, *TRUE])
    worths = {name: _worth(found, place) for place, name in enumerate(allocations)}
    return Known(of_exposures.sort_by([(name, "ascending") for name in KEY]), worths)


def _summed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Exposures as they are; allocated pairs as sums."""
    for batch in batches:
        place = batch.column("place").to_numpy()
        exposures = batch.filter(pa.array(place == _EXPOSURE))
        yield from padded(pa.Table.from_batches([exposures]), _KNOWN).to_batches()
        for each in np.unique(place[place != _EXPOSURE]).tolist():
            pairs = batch.filter(pa.array(place == each))
            p_c, revenue = (pairs.column(name).drop_null().to_numpy() for name in ("true_p_c", "true_revenue"))
            sums = [pairs.num_rows, len(p_c), *_exact_sum(p_c), *_exact_sum(revenue)]
            of_allocation = {"place": [each], **{name: [of] for name, of in zip(_SUMS, sums, strict=True)}}
            yield from padded(pa.table(of_allocation), _KNOWN).to_batches()


def _exact_sum(values: Floats) -> tuple[int, int]:
    whole = np.floor(values)
    return int(whole.astype(np.int64).sum()), int(np.rint((values - whole) * _PARTS).astype(np.int64).sum())


def _worth(found: pa.Table, place: int) -> TrueWorth:
    own = found.filter(pc.equal(found["place"], place))
    rows, with_truth, *money = (sum(own[name].to_pylist()) for name in _SUMS)
    if with_truth < rows:
        raise TableError(
            f"table truth lacks {rows - with_truth} allocated pair(s): it belongs to another platform; generate, "
            "score and allocate again"
        )
    if rows == 0:
        return TrueWorth(0.0, 0.0, 0)
    conversions, revenue = (float(Fraction(whole * _PARTS + rest, _PARTS)) for whole, rest in (money[:2], money[2:]))
    return TrueWorth(PER_MILLE * conversions / rows, PER_MILLE * revenue / rows, rows)
