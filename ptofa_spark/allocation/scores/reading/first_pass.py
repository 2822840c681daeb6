"""What the first pass over the scores looks for, and how its workers tell the driver what they found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from ptofa_spark.allocation.scores.reading.account import ScoresRead
from ptofa_spark.allocation.scores.score_rows import ScoreRows
from ptofa_spark.allocation.scores.user_classes import PROFILE, Profile, ProfileSums
from ptofa_spark.arrow_tables import padded
from ptofa_spark.errors import TableError

# Squares of it, and sums of squares over all pairs, stay far below the largest float, 1.8e308.
MOST_REVENUE = 1e100
# Names of funds without a demand that are kept, to be compared with those that have one.
MOST_NAMES = 10_000
# 160 MB of scores, and some GiB at work on them.
_DRIVER_PAIRS = 20_000_000
# A row of counts per partition, a row for each name without a demand that it holds, and what the profile has.
_FOUND = pa.schema([("counts", pa.list_(pa.int64())), ("name", pa.string()), ("pairs_of_name", pa.int64()), *PROFILE])


@dataclass(frozen=True)
class Look:
    """What the first pass is asked for.

    driver_users: the most users whose scores the driver holds; max_classes: distinct sets of eligible funds, at most,
    None if they are not to be counted; seed: of the sample that is brought where the driver does not hold all.
    """

    driver_users: int = 0
    max_classes: int | None = None
    seed: int = 0

    def fits_the_driver(self, users: int, funds: int) -> bool:
        """Whether the driver holds the scores of so many users for so many funds."""
        return users <= self.driver_users and users * funds <= _DRIVER_PAIRS


@dataclass(frozen=True)
class Scores:
    """The scores of a campaign: the rows, the account of what was read, and what the first pass says of them.

    kept: what the executors' disks hold of them until `release`, if anything.
    """

    rows: ScoreRows
    read: ScoresRead
    profile: Profile
    kept: DataFrame | None = None

    def release(self) -> None:
        """Gives back what is kept."""
        if self.kept is not None:
            self.kept.unpersist()


def packed(counts: list[int], names: Mapping[str, int], profile: ProfileSums) -> bytes:
    """What a worker found: counts by fault, pairs by name without a demand, and the sums of the profile."""
    parts = (
        pa.table({"counts": pa.array([counts], pa.list_(pa.int64()))}),
        pa.table({"name": pa.array([*names], pa.string()), "pairs_of_name": pa.array([*names.values()], pa.int64())}),
        profile.table(),
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _FOUND) as stream:
        for part in parts:
            stream.write_table(padded(part, _FOUND))
    message: bytes = sink.getvalue().to_pybytes()
    return message


def unpacked(found: list[bytes], faults: tuple[str, ...]) -> tuple[dict[str, int], dict[str, int], pa.Table]:
    """The counts by fault, the pairs by name, and the rows of the profile, of all partitions."""
    table = pa.concat_tables([pa.ipc.open_stream(each).read_all() for each in found] or [_FOUND.empty_table()])
    counts = np.array(table["counts"].drop_null().to_pylist(), dtype=np.int64).reshape(-1, len(faults)).sum(axis=0)
    named = table.filter(table["name"].is_valid()).group_by("name").aggregate([("pairs_of_name", "sum")])
    names = dict(zip(named["name"].to_pylist(), named["pairs_of_name_sum"].to_pylist(), strict=True))
    return dict(zip(faults, counts.tolist(), strict=True)), names, table.select(PROFILE.names)


def not_finite(expected_revenue: pa.Array | pa.ChunkedArray) -> int:
    """How many values are NaN, infinite, or too large for a sum. Null is none of them."""
    values = expected_revenue.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        finite = int((np.abs(values) <= MOST_REVENUE).sum())
    return len(values) - finite - int(expected_revenue.null_count)


def is_not_finite(column: str) -> Column:
    """Whether a list holds NaN, which Spark takes for the greatest number, infinity, or a number that is too large."""
    greatest, least = F.array_max(column), F.array_min(column)
    return F.coalesce((greatest > MOST_REVENUE) | (least < -MOST_REVENUE), F.lit(False))


def not_finite_error(bad: Row | dict[str, Any], table: str, fund_ids: tuple[str, ...]) -> TableError:
    """Names the first score of a user's row that is not finite, or too large."""
    scores = zip(fund_ids, bad["expected_revenue"], strict=False)
    fund, value = next((f, e) for f, e in scores if e is not None and not abs(e) <= MOST_REVENUE)
    wanted = f"a number of at most {MOST_REVENUE:g} in size" if np.isfinite(value) else "a finite number"
    return TableError(
        f"table {table}: user {bad['user_id']}, fund {fund!r}: expected_revenue is {value}; "
        f"give {wanted}, or null for a pair that must not be allocated"
    )
