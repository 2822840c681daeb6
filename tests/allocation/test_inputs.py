"""Compact scores that cannot be allocated, each named in one line; and the version that a run reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.allocation.inputs import read_campaign_funds, read_scores
from ptofa_spark.allocation.problem import Funds
from ptofa_spark.errors import TableError
from ptofa_spark.tables.pinned import PinnedTables
from ptofa_spark.tables.schemas import COMPACT_SCORES, DEMANDS, FUNDS

TWO = Funds(("a", "b"), np.array([1, 1]), np.array([1, 1]))
GOOD = [("c", 1, 3, ["a", "b"], [1.0, None]), ("c", 2, 3, ["a", "b"], [2.0, 0.5])]
FAULTS = {
    "rows of 'c' differ in fund_ids: score the campaign again": ("c", 3, 3, ["b", "a"], [1.0, 2.0]),
    "user 3 has 3 scores for 2 funds: score the campaign again": ("c", 3, 3, ["a", "b"], [1.0, 2.0, 3.0]),
    "user 3, fund 'b': expected_revenue is inf; give a finite": ("c", 3, 3, ["a", "b"], [1.0, float("inf")]),
    "user 2 stands there 2 times: keep one row a user": ("c", 2, 3, ["a", "b"], [1.0, 2.0]),
}


def compact(spark: SparkSession, place: Path, rows: list[Any]) -> str:
    spark.createDataFrame(rows, COMPACT_SCORES).coalesce(1).write.mode("overwrite").parquet(str(place))
    return str(place)


@pytest.mark.parametrize("message", FAULTS)
def test_a_faulty_row_of_compact_scores_is_named(spark: SparkSession, tmp_path: Path, message: str) -> None:
    place = compact(spark, tmp_path / "scores", [*GOOD, FAULTS[message]])
    with pytest.raises(TableError, match=message):
        read_scores(PinnedTables(spark), place, "c", TWO)


def test_compact_scores_are_read_in_the_order_of_the_demands_funds(spark: SparkSession, tmp_path: Path) -> None:
    """A fund without a demand is left out, one that nobody scored is open to nobody, other campaigns do not count."""
    place = compact(spark, tmp_path / "scores", [*GOOD, ("other", 1, 3, ["z"], [9.0])])
    asked = Funds(("b", "c"), np.array([1, 1]), np.array([1, 1]))
    rows = read_scores(PinnedTables(spark), place, "c", asked).orderBy("user_id").collect()
    assert [tuple(row) for row in rows] == [(1, 3, [None, None]), (2, 3, [0.5, None])]
    with pytest.raises(TableError, match="has no scores of campaign 'autumn': run score for it first"):
        read_scores(PinnedTables(spark), place, "autumn", asked)


def test_a_run_reads_the_versions_that_it_began_with(spark: SparkSession, tmp_path: Path) -> None:
    """Another run replaces every table meanwhile."""
    places = [str(tmp_path / name) for name in ("scores", "funds", "demands")]

    def write(scores: list[Any], level: int, demand: int) -> None:
        frames: list[DataFrame] = [
            spark.createDataFrame(scores, COMPACT_SCORES),
            spark.createDataFrame([("a", level), ("b", level)], FUNDS),
            spark.createDataFrame([("c", "a", demand), ("c", "b", demand)], DEMANDS),
        ]
        for frame, place in zip(frames, places, strict=True):
            frame.coalesce(1).write.format("delta").mode("overwrite").save(place)

    write(GOOD, 1, 1)
    tables = PinnedTables(spark).pin(*places)
    write([("c", 7, 3, ["a", "b"], [0.0, 0.0])], 5, 9)
    campaign, funds = read_campaign_funds(tables, places[1], places[2], None)
    scores = read_scores(tables, places[0], campaign, funds)
    write([("c", 7, 3, ["a", "b"], [0.0, 0.0])], 5, 9)
    assert sorted(row["user_id"] for row in scores.collect()) == [1, 2]
    assert funds.demand.tolist() == [1, 1]
    assert funds.risk_levels.tolist() == [1, 1]
    assert read_campaign_funds(PinnedTables(spark), places[1], places[2], None)[1].demand.tolist() == [9, 9]
