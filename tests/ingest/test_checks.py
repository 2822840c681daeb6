"""The raw tables of a data set that its module made wrong: refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.ingest.checks import check_raw_tables
from ptofa_spark.ingest.raw_tables import RawTables
from ptofa_spark.tables.contracts.schemas import CAMPAIGNS, DEMANDS, EXPOSURES, FUNDS, TRANSACTIONS, USERS


def raw_tables(spark: SparkSession) -> RawTables:
    return RawTables(
        users=spark.createDataFrame([(1, 3)], USERS),
        funds=spark.createDataFrame([("bond", 2)], FUNDS),
        campaigns=spark.createDataFrame([("c", date(2025, 1, 6))], CAMPAIGNS),
        transactions=spark.createDataFrame([], TRANSACTIONS),
        exposures=spark.createDataFrame([("c", 1, "bond", None, True, True, 2.5)], EXPOSURES),
        demands=spark.createDataFrame([("c", "bond", 1)], DEMANDS),
    )


def test_a_table_of_another_schema_is_refused_by_column(spark: SparkSession) -> None:
    tables = raw_tables(spark)
    check_raw_tables(tables)
    for wrong, said in (
        (tables.users.drop("risk_tolerance"), "table users lacks column(s) risk_tolerance; it has user_id"),
        (tables.users.withColumn("user_id", F.lit("one")), "table users: column user_id is string, expected bigint"),
        (
            tables.users.withColumn("risk_tolerance", F.lit(None).cast("int")),
            "table users: column risk_tolerance is null in 1 row(s): fill or drop them",
        ),
    ):
        with pytest.raises(TableError) as raised:
            check_raw_tables(replace(tables, users=wrong))
        assert str(raised.value).startswith(said)
