"""Pins tables to one version for a whole run. Spark alone would read the newest version in every query."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from ptofa_spark.files.csv.files import CsvFiles
from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.tables.contracts.schemas import KNOWN_COLUMNS
from ptofa_spark.tables.delta.commits import TableVersion, delta_version
from ptofa_spark.tables.names import TableName
from ptofa_spark.tables.opening import TypedTable, open_table
from ptofa_spark.tables.reading import AS_FOUND, columns_of, rows_of


class PinnedTables:
    """Reads each table at the version that was the newest at its first use."""

    def __init__(self, spark: SparkSession, versions: Iterable[TableVersion] = (), csv: CsvForm = AS_FOUND) -> None:
        """versions: tables to read at older versions; csv: the user's settings for CSV files."""
        self._spark, self._csv = spark, csv
        self._pinned = {each.name: each for each in versions}
        self._opened: dict[str, TypedTable] = {}

    @property
    def versions(self) -> tuple[TableVersion, ...]:
        """The tables used so far, in order of first use: the sources that a commit or a report names."""
        return tuple(self._pinned.values())

    def pin(self, *arguments: str) -> PinnedTables:
        """Pins several tables at once, before the first is read, so that they are of the same moment."""
        for argument in arguments:
            self.version(argument)
        return self

    def version(self, argument: str) -> int | None:
        """The version at which the table is read; None if the table has no versions."""
        if argument not in self._pinned:
            self._pinned[argument] = delta_version(self._spark, argument)
        return self._pinned[argument].version

    def read(
        self, argument: str, schema: StructType, *, keep_extra: bool = False, allow_null: bool = False
    ) -> DataFrame:
        """Reads the table at its pinned version.

        Raises:
            As `read_table`.
        """
        opened = self._open(argument, schema.names)
        return rows_of(
            self._spark, opened, argument, schema, keep_extra=keep_extra, allow_null=allow_null, csv=self._csv
        )

    def columns(self, argument: str) -> list[str]:
        """The column names of a table at its pinned version, to distinguish the forms that it may have."""
        return columns_of(self._open(argument, KNOWN_COLUMNS), argument)

    def _open(self, argument: str, wanted: Collection[str]) -> TypedTable | CsvFiles:
        """Opens the table, once if its columns have types. How CSV is opened depends on the columns wanted."""
        version = self.version(argument)
        if argument in self._opened:
            return self._opened[argument]
        opened = open_table(self._spark, TableName.parse(argument), wanted, version, self._csv)
        if isinstance(opened, TypedTable):
            self._opened[argument] = opened
        return opened
