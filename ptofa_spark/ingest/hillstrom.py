"""The Hillstrom e-mail experiment as a platform: 64,000 customers, each randomly sent one of two e-mails or none.

The three segments are the funds, all of risk 1. The visit is the click, and the spend is the revenue. The file has no
customer number and no date. A customer's id is the number of their row, counted from 0 in the file's order. The file
has four megabytes and is read as one piece, so no partitioning changes that order.
"""

from __future__ import annotations

import hashlib
import io
import logging
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, DoubleType, IntegerType, LongType, StringType, StructField, StructType

from ptofa_spark.errors import MissingColumnError, TableError
from ptofa_spark.files.formats import Foreign
from ptofa_spark.files.places import all_bytes, find_files, formats
from ptofa_spark.ingest.dataset import Dataset
from ptofa_spark.ingest.raw_tables import RawTables, count_test_users
from ptofa_spark.reproducible.whole_shares import largest_remainder
from ptofa_spark.tables.contracts.schemas import CAMPAIGNS, DEMANDS, EXPOSURES, FUNDS, TRANSACTIONS, USERS

logger = logging.getLogger(__name__)

SHA256 = "0e5893329d8b93cefecc571777672028290ab69865718020c78c7284f291aece"
ROWS = 64_000
_MOST_BYTES = 64 * 2**20  # sixteen times the size of the file: a larger file is not the experiment
COLUMNS = (
    "recency",
    "history_segment",
    "history",
    "mens",
    "womens",
    "zip_code",
    "newbie",
    "channel",
    "segment",
    "visit",
    "conversion",
    "spend",
)
FUND_OF_SEGMENT = {"Mens E-Mail": "mens_email", "Womens E-Mail": "womens_email", "No E-Mail": "no_email"}
CAMPAIGN = "hillstrom"
START_DATE = date(2008, 3, 1)  # nominal: the file has no date; the challenge was published in March 2008
_TOLERANCE, _RISK = 5, 1  # an e-mail has no risk: every user may get every e-mail
_FLAGS = ("mens", "womens", "newbie", "visit", "conversion")

HILLSTROM_USERS = StructType(
    [
        *USERS,
        StructField("recency", IntegerType(), False, {"comment": "months since the last purchase"}),
        StructField("history_segment", StringType(), False),
        StructField("history", DoubleType(), False, {"comment": "money spent in the past year"}),
        StructField("mens", IntegerType(), False, {"comment": "1: bought men's goods in the past year"}),
        StructField("womens", IntegerType(), False, {"comment": "1: bought women's goods in the past year"}),
        StructField("zip_code", StringType(), False),
        StructField("newbie", IntegerType(), False, {"comment": "1: new in the past year"}),
        StructField("channel", StringType(), False),
    ]
)
HILLSTROM_FUNDS = StructType([*FUNDS, StructField("fund_type", StringType(), False)])


def load_hillstrom(spark: SparkSession, source: str, seed: int, test_share: float) -> RawTables:
    """The raw tables of the experiment.

    Args:
        spark: the session.
        source: path or URI of the CSV, on any file system that Spark reads.
        seed: with `test_share`, selects the test users. Each demand is a third of their number.
        test_share: share of the users in the test split.

    Raises:
        TableError: the file is missing, has another number of rows, or holds a value that its description excludes.
        MissingColumnError: a column is missing.
    """
    content = _content(spark, source)
    if hashlib.sha256(content).hexdigest() != SHA256:
        logger.warning("hillstrom source=%s has another sha256 than the published file (%s)", source, SHA256)
    rows = checked_rows(content, source)
    users = _users(spark, rows)
    funds = sorted(FUND_OF_SEGMENT.values())
    demand = largest_remainder([1] * len(funds), count_test_users(users, seed, test_share)).tolist()
    kinds = [(fund, _RISK, "none" if fund == "no_email" else "email") for fund in funds]
    return RawTables(
        users=users,
        funds=spark.createDataFrame(kinds, HILLSTROM_FUNDS).coalesce(1),
        campaigns=spark.createDataFrame([(CAMPAIGN, START_DATE)], CAMPAIGNS).coalesce(1),
        transactions=spark.createDataFrame([], TRANSACTIONS),
        exposures=_exposures(spark, rows),
        demands=spark.createDataFrame(
            [(CAMPAIGN, fund, share) for fund, share in zip(funds, demand, strict=True)], DEMANDS
        ).coalesce(1),
    )


def checked_rows(content: bytes, source: str) -> pd.DataFrame:
    """The file's rows in its order, checked against the description of the file.

    Raises:
        TableError: the file breaks its description. The message names the first error.
        MissingColumnError: a column is missing.
    """
    try:
        rows = pd.read_csv(io.BytesIO(content))
    except ValueError as error:  # the base class of pandas' own errors and of decoding errors
        raise TableError(f"table {source} is no CSV with a header: {error}; give the published file") from error
    missing = [column for column in COLUMNS if column not in rows.columns]
    if missing:
        raise MissingColumnError(source, missing, list(rows.columns))
    if len(rows) != ROWS:
        raise TableError(f"table {source} has {len(rows)} rows, expected {ROWS}: give the published file")
    for column in COLUMNS:
        _require(rows, source, column, rows[column].notna(), "a value")
    for column in _FLAGS:
        _require(rows, source, column, rows[column].isin([0, 1]), "0 or 1")
    for column in ("recency", "history", "spend"):
        numbers = pd.to_numeric(rows[column], errors="coerce")
        _require(rows, source, column, np.isfinite(numbers) & (numbers >= 0), "a number, 0 or more")
    _require(rows, source, "segment", rows["segment"].isin(list(FUND_OF_SEGMENT)), f"one of {list(FUND_OF_SEGMENT)}")
    _require(rows, source, "visit", rows["visit"] >= rows["conversion"], "1 where conversion is 1")
    _require(
        rows, source, "spend", (rows["spend"] > 0) == (rows["conversion"] == 1), "above 0 where conversion is 1, else 0"
    )
    return rows


def _content(spark: SparkSession, source: str) -> bytes:
    """Reads the bytes of the file through Spark's file systems, so that the source may be a path or a URI.

    Raises:
        TableError: the file is missing, there are several, or it is too large to be the experiment.
    """
    place = find_files(spark, source)
    if len(place.files) != 1:
        raise TableError(f"table {source} is no single file: give the CSV's path or URI")
    file = place.files[0]
    found = formats(spark, place)[file]
    if isinstance(found, Foreign) or found == "parquet":
        what, way_out = (found.what, found.way_out) if isinstance(found, Foreign) else ("Parquet", "give the CSV")
        raise TableError(f"table {source} is {what}: {way_out}")
    if file.size > _MOST_BYTES:
        raise TableError(f"table {source} has {file.size} bytes, too many for {ROWS} rows: give the CSV")
    return all_bytes(spark, file, found)


def _require(rows: pd.DataFrame, source: str, column: str, good: pd.Series, wanted: str) -> None:
    if not good.all():
        first = int(np.flatnonzero(~good.to_numpy())[0])
        found = rows[column].iloc[first]
        raise TableError(
            f"table {source}: column {column} is {found} in row {first + 1}, expected {wanted}: correct it"
        )


def _users(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    kinds: dict[DataType, Any] = {
        IntegerType(): np.int32,
        LongType(): np.int64,
        DoubleType(): np.float64,
        StringType(): str,
    }
    frame = rows.assign(user_id=np.arange(len(rows)), risk_tolerance=_TOLERANCE)[HILLSTROM_USERS.names]
    typed = frame.astype({field.name: kinds[field.dataType] for field in HILLSTROM_USERS})
    return spark.createDataFrame(typed, HILLSTROM_USERS)


def _exposures(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    frame = pd.DataFrame(
        {
            "campaign_id": CAMPAIGN,
            "user_id": np.arange(len(rows)),
            "fund_id": rows["segment"].map(FUND_OF_SEGMENT),
            "propensity": 1.0 / len(FUND_OF_SEGMENT),
            "click": rows["visit"] == 1,
            "conversion": rows["conversion"] == 1,
            "revenue": rows["spend"].astype(np.float64),
        }
    )
    return spark.createDataFrame(frame[EXPOSURES.names], EXPOSURES)


DATASET = Dataset(
    lambda spark, settings: load_hillstrom(spark, settings.source or "", settings.seed, settings.test_share),
    split_by="user",
    needs_source="the CSV's path or URI",
)
