"""The raw tables of one data set, and the functions that write them to a warehouse."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import ConfigError, TableError
from ptofa_spark.reproducible.splits import TEST, user_split
from ptofa_spark.running.progress import stage
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.opening import table_exists


@dataclass(frozen=True)
class RawTables:
    """The raw tables of a platform. Their schemas are in tables/contracts/schemas.py.

    Users and funds may have further columns: their attributes.
    """

    users: DataFrame
    funds: DataFrame
    campaigns: DataFrame
    transactions: DataFrame
    exposures: DataFrame
    demands: DataFrame


def write_raw_tables(tables: RawTables, warehouse: str) -> None:
    """Writes the checked tables as Delta tables.

    Raises:
        TableError: the path of a table holds something that is not a Delta table.
    """
    for field in fields(tables):
        with stage(f"ingest_{field.name}"):
            write_table(getattr(tables, field.name), in_warehouse(warehouse, field.name), kind=field.name)


def require_no_truth(spark: SparkSession, warehouse: str) -> None:
    """Rejects the warehouse of a synthetic platform: later stages would use its truth as the truth of the new data.

    Raises:
        TableError: the warehouse holds the truth of a synthetic platform.
    """
    truth = in_warehouse(warehouse, "truth")
    if table_exists(spark, truth):
        raise TableError(
            f"table {truth} holds the truth of a synthetic platform, not of this data set: "
            "name another warehouse or remove that one"
        )


def count_test_users(users: DataFrame, seed: int, test_share: float) -> int:
    """Counts the users of the test split: the audience of the target campaign if the data are split by user.

    Raises:
        ConfigError: the test split has no user.
    """
    split = user_split(F.col("user_id"), seed, test_share, 0.0)
    count = users.where(split == TEST).count()
    if count == 0:
        raise ConfigError(f"ingest: test_share = {test_share} leaves no test user: raise it")
    return count
