"""A user's own raw tables: the same from every format, and refused with their table, column and value."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.ingest.checks import check_raw_tables
from ptofa_spark.ingest.own_tables import load_own_tables
from ptofa_spark.tables.contracts.schemas import RAW_TABLES
from tests.run_job import run_job


def raw_tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(1)
    users = pd.DataFrame({"user_id": np.arange(20), "risk_tolerance": rng.integers(1, 6, 20), "city": "基隆"})
    funds = pd.DataFrame({"fund_id": ["a", "b"], "risk_level": [1, 3]})
    campaigns = pd.DataFrame({"campaign_id": ["c1", "c2"], "start_date": [date(2025, 1, 6), date(2025, 1, 13)]})
    exposures = pd.DataFrame(
        {
            "campaign_id": "c1",
            "user_id": np.arange(20),
            "fund_id": rng.choice(["a", "b"], 20),
            "propensity": 0.5,
            "click": True,
            "conversion": np.arange(20) % 5 == 0,
            "revenue": np.where(np.arange(20) % 5 == 0, 12.5, 0.0),
        }
    )
    demands = pd.DataFrame({"campaign_id": "c2", "fund_id": ["a", "b"], "demand": [12, 8]})
    transactions = pd.DataFrame(
        {
            "user_id": [3, 4],
            "fund_id": ["a", "b"],
            "transacted_at": pd.to_datetime(["2025-01-01 10:00", "2025-01-02 11:00"], utc=True),
            "amount": [10.0, 20.5],
        }
    )
    return {
        "users": users,
        "funds": funds,
        "campaigns": campaigns,
        "exposures": exposures,
        "demands": demands,
        "transactions": transactions,
    }


def write(spark: SparkSession, tables: dict[str, pd.DataFrame], root: Path, form: str) -> str:
    root.mkdir()
    for name, frame in tables.items():
        if form == "csv":
            frame.to_csv(root / f"{name}.csv", index=False)
        elif form == "parquet":
            frame.to_parquet(root / f"{name}.parquet", index=False, coerce_timestamps="us")
        else:
            spark.createDataFrame(frame).write.format("delta").save(str(root / name))
    return str(root)


@pytest.mark.parametrize("form", ["csv", "parquet", "delta"])
def test_the_same_tables_come_from_every_format(spark: SparkSession, tmp_path: Path, form: str) -> None:
    tables = load_own_tables(spark, write(spark, raw_tables(), tmp_path / "raw", form))
    assert_as_given({name: getattr(tables, name) for name in RAW_TABLES})


def test_the_ingested_tables_are_the_given_ones(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder and in a schema of the catalog, at the first write and at the second."""
    source = write(spark, raw_tables(), tmp_path / "raw", "parquet")
    spark.sql(f"CREATE SCHEMA ptofa_ingest LOCATION '{tmp_path}/tables'")
    for warehouse in (str(tmp_path / "w"), "spark_catalog.ptofa_ingest"):
        for _ in range(2):
            code, line = run_job("ingest", "--source", source, "--warehouse", warehouse, capsys=capsys)
            assert code == 0, line
    assert_as_given({name: spark.read.format("delta").load(str(tmp_path / "w" / name)) for name in RAW_TABLES})
    assert_as_given({name: spark.table(f"ptofa_ingest.{name}") for name in RAW_TABLES})


def assert_as_given(tables: dict[str, DataFrame]) -> None:
    given = raw_tables()
    for name, schema in RAW_TABLES.items():
        written = tables[name]
        assert [field.dataType for field in written.schema][: len(schema)] == [field.dataType for field in schema]
        rows = written.toPandas().sort_values(schema.names[:3]).reset_index(drop=True)
        wanted = given[name].sort_values(schema.names[:3]).reset_index(drop=True)
        assert rows.columns.tolist() == [*schema.names, *(c for c in wanted.columns if c not in schema.names)]
        if name == "transactions":
            wanted["transacted_at"] = wanted["transacted_at"].dt.tz_localize(None)
        pd.testing.assert_frame_equal(rows, wanted[rows.columns], check_dtype=False)


def spoil(tables: dict[str, pd.DataFrame], how: str) -> None:
    if how == "a user twice":
        tables["users"] = pd.concat([tables["users"], tables["users"].iloc[:1]])
    elif how == "an unknown fund":
        tables["demands"].loc[0, "fund_id"] = "nowhere"
    elif how == "a purchase of an unknown fund":
        tables["transactions"].loc[0, "fund_id"] = "nowhere"
    elif how == "a purchase by an unknown user":
        tables["transactions"].loc[0, "user_id"] = 77
    elif how == "risk level 6":
        tables["funds"].loc[1, "risk_level"] = 6
    elif how == "revenue without conversion":
        tables["exposures"].loc[1, "revenue"] = 3.0
    elif how == "conversion without click":
        tables["exposures"].loc[5, "click"] = False
    elif how == "propensity 0":
        tables["exposures"].loc[2, "propensity"] = 0.0
    elif how == "a negative amount":
        tables["transactions"].loc[0, "amount"] = -1.0
    elif how == "no demands":
        tables["demands"]["campaign_id"] = "c1"
    elif how == "no column":
        tables["users"] = tables["users"].rename(columns={"risk_tolerance": "tolerance"})
    elif how == "a word for a number":
        tables["demands"]["demand"] = ["many", "8"]
    elif how == "no table":
        del tables["funds"]


REFUSALS = {
    "a user twice": "table users: user_id = 0 occurs 2 times: keep one row of each",
    "an unknown fund": "table demands: column fund_id holds 'nowhere', which table funds does not contain",
    "a purchase of an unknown fund": "table transactions: column fund_id holds 'nowhere', which table funds does",
    "a purchase by an unknown user": "table transactions: column user_id holds 77, which table users does not contain",
    "risk level 6": "table funds: column risk_level holds 6, expected 1 to 5",
    "revenue without conversion": "column conversion holds False, expected true where there is revenue",
    "conversion without click": "column click holds False, expected true where conversion is true",
    "propensity 0": "column propensity holds 0.0, expected above 0 and at most 1, or null",
    "a negative amount": "table transactions: column amount holds -1.0, expected above 0 and at most 1e12",
    "no demands": "table demands: column campaign_id lacks 'c2', the latest campaign",
    "no column": "lacks column(s) risk_tolerance",
    "a word for a number": "column demand holds 'many', which is no bigint",
    "no table": "funds does not exist",
}


@pytest.mark.parametrize("how", REFUSALS)
def test_bad_tables_are_one_line(spark: SparkSession, tmp_path: Path, how: str) -> None:
    tables = raw_tables()
    spoil(tables, how)
    source = write(spark, tables, tmp_path / "raw", "csv")
    with pytest.raises(TableError) as raised:
        check_raw_tables(load_own_tables(spark, source))
    said = str(raised.value)
    assert REFUSALS[how] in said
    assert "\n" not in said


def test_nanoseconds_are_one_line_that_says_what_to_do(spark: SparkSession, tmp_path: Path) -> None:
    source = write(spark, raw_tables(), tmp_path / "raw", "parquet")
    raw_tables()["transactions"].to_parquet(tmp_path / "raw" / "transactions.parquet", index=False)
    with pytest.raises(TableError, match=r"transactions.parquet cannot be read: Spark has no nanoseconds; write its"):
        check_raw_tables(load_own_tables(spark, source))


def test_a_refused_ingest_writes_nothing(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = raw_tables()
    spoil(tables, "a user twice")
    source = write(spark, tables, tmp_path / "raw", "parquet")
    code, line = run_job("ingest", "--source", source, "--warehouse", str(tmp_path / "w"), capsys=capsys)
    assert code == 2
    assert line.startswith("error: table users: user_id = 0")
    assert not (tmp_path / "w").exists()


def test_real_data_never_land_beside_a_synthetic_truth(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(spark, raw_tables(), tmp_path / "raw", "parquet")
    spark.range(1).write.format("delta").save(str(tmp_path / "w" / "truth"))
    code, line = run_job("ingest", "--source", source, "--warehouse", str(tmp_path / "w"), capsys=capsys)
    assert code == 2
    assert "holds the truth of a synthetic platform" in line
    code, line = run_job("ingest", "--source", source, "--warehouse", source, capsys=capsys)
    assert code == 2
    assert "source and warehouse are both" in line
