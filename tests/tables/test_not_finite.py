"""Scores that are no finite numbers are found, whether Spark compiles the search or interprets it."""

from __future__ import annotations

import math

import pytest
from pyspark.sql import SparkSession

from ptofa_spark.tables.contracts.not_finite import holds_not_finite
from ptofa_spark.tables.delta.writing import in_session

# An array; whether it is to be found if nulls do not count; whether it is to be found if they do.
CASES: list[tuple[list[float | None] | None, bool, bool]] = [
    ([1.0, -2.0, 0.0], False, False),
    ([1.0, math.nan], True, True),
    ([math.inf, 1.0], True, True),
    ([1.0, -math.inf], True, True),
    ([None, math.nan], True, True),
    ([math.inf, None], True, True),
    ([None, 1.0], False, True),
    ([None], False, True),
    ([], False, False),
    (None, False, True),
]
COMPILING = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "CODEGEN_ONLY"}
INTERPRETING = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}


@pytest.mark.parametrize("ways", [COMPILING, INTERPRETING], ids=["compiled", "interpreted"])
def test_numbers_that_are_not_finite_are_found(spark: SparkSession, ways: dict[str, str]) -> None:
    frame = spark.createDataFrame([(case, array) for case, (array, _, _) in enumerate(CASES)], "c int, e array<double>")
    with in_session(spark, ways):
        found = frame.select("c", holds_not_finite("e", null=False), holds_not_finite("e", null=True)).collect()
    assert sorted(map(tuple, found)) == [(case, *wanted) for case, (_, *wanted) in enumerate(CASES)]
