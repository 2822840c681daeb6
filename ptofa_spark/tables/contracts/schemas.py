"""The schema of every table, declared once for writers, readers and tests.

Amounts are in the platform's currency, times in UTC, revenue is per exposure. `users` and `funds` declare the columns
that every platform has. Any further column there is an attribute and becomes a feature.
"""

from __future__ import annotations

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)


def _column(name: str, kind: DataType, comment: str, nullable: bool = False) -> StructField:
    return StructField(name, kind, nullable, {"comment": comment})


USER_ID = _column("user_id", LongType(), "the user")
FUND_ID = _column("fund_id", StringType(), "the fund")
CAMPAIGN_ID = _column("campaign_id", StringType(), "the campaign")
RISK_TOLERANCE = _column("risk_tolerance", IntegerType(), "risk the user declared to bear, 1 (least) to 5")
RISK_LEVEL = _column("risk_level", IntegerType(), "risk of the fund, 1 (least) to 5")
SNAPSHOT = _column("snapshot_date", DateType(), "start of the campaign that the snapshot was built for, UTC")
SPLIT = _column("split", StringType(), "train, validation or test")

# Raw tables.
USERS = StructType([USER_ID, RISK_TOLERANCE])
FUNDS = StructType([FUND_ID, RISK_LEVEL])
CAMPAIGNS = StructType([CAMPAIGN_ID, _column("start_date", DateType(), "day of the campaign's exposures, UTC")])
TRANSACTIONS = StructType(
    [
        USER_ID,
        FUND_ID,
        _column("transacted_at", TimestampType(), "when, UTC"),
        _column("amount", DoubleType(), "money invested, > 0"),
    ]
)
EXPOSURES = StructType(
    [
        CAMPAIGN_ID,
        USER_ID,
        FUND_ID,
        _column(
            "propensity", DoubleType(), "probability with which the policy showed this fund; null if unknown", True
        ),
        _column("click", BooleanType(), "the user clicked"),
        _column("conversion", BooleanType(), "the user bought after the click"),
        _column("revenue", DoubleType(), "money the conversion brought; 0 without one"),
    ]
)
DEMANDS = StructType([CAMPAIGN_ID, FUND_ID, _column("demand", LongType(), "exposures the fund is to get, d_f")])

# The simulator writes it; only the evaluation reads it.
TRUTH = StructType(
    [
        USER_ID,
        FUND_ID,
        _column("p_c", DoubleType(), "true probability of conversion per exposure"),
        _column("mu", DoubleType(), "true mean of log revenue of a conversion"),
        _column("sigma", DoubleType(), "true standard deviation of log revenue of a conversion"),
    ]
)

# Features: further columns are features, listed with their kinds in features/columns.py.
USER_FEATURES = StructType([SNAPSHOT, CAMPAIGN_ID, USER_ID, RISK_TOLERANCE, SPLIT])
FUND_FEATURES = StructType([SNAPSHOT, CAMPAIGN_ID, FUND_ID, RISK_LEVEL])
EXAMPLES = StructType(
    [
        SNAPSHOT,
        CAMPAIGN_ID,
        USER_ID,
        FUND_ID,
        SPLIT,
        _column("propensity", DoubleType(), "see exposures", True),
        _column("click", DoubleType(), "1.0 or 0.0"),
        _column("conversion", DoubleType(), "1.0 or 0.0"),
        _column("revenue", DoubleType(), "money the conversion brought; 0 without one"),
    ]
)

# Scores, in the two forms that `allocate` reads.
COMPACT_SCORES = StructType(
    [
        CAMPAIGN_ID,
        USER_ID,
        RISK_TOLERANCE,
        _column("fund_ids", ArrayType(StringType(), True), "the campaign's funds, sorted; the same in every row"),
        _column(
            "expected_revenue", ArrayType(DoubleType(), True), "E by fund, in the order of fund_ids; null: ineligible"
        ),
    ]
)
LONG_SCORES = StructType(
    [
        USER_ID,
        RISK_TOLERANCE,
        FUND_ID,
        _column("expected_revenue", DoubleType(), "E of the pair; null: ineligible", True),
    ]
)

ALLOCATION = StructType(
    [
        CAMPAIGN_ID,
        USER_ID,
        _column("slot", IntegerType(), "1..K, by expected revenue"),
        FUND_ID,
        _column("expected_revenue", DoubleType(), "E of the pair"),
    ]
)

RAW_TABLES = {
    "users": USERS,
    "funds": FUNDS,
    "campaigns": CAMPAIGNS,
    "transactions": TRANSACTIONS,
    "exposures": EXPOSURES,
    "demands": DEMANDS,
}
# Tables whose further columns are attributes, which are kept.
OPEN_TABLES = ("users", "funds")
# A file's column matches one of these names if it differs only by case or outer spaces.
KNOWN_COLUMNS = frozenset(
    name
    for schema in (*RAW_TABLES.values(), TRUTH, COMPACT_SCORES, LONG_SCORES, ALLOCATION, USER_FEATURES, EXAMPLES)
    for name in schema.names
)
