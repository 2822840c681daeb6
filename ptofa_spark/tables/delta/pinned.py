"""Pins tables to one version for a whole run. Spark alone would read the newest version in every query."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.tables.delta.commits import TableVersion, delta_version
from ptofa_spark.tables.reading import AS_FOUND, read_columns, read_table


class PinnedTables:
    """Reads each table at the version that was the newest at its first use."""

    def __init__(self, spark: SparkSession, versions: Iterable[TableVersion] = (), csv: CsvForm = AS_FOUND) -> None:
        """versions: tables to read at older versions; csv: the user's settings for CSV files."""
        self._spark, self._csv = spark, csv
        self._pinned = {each.name: each for each in versions}

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
        version = self.version(argument)
        return read_table(
            self._spark,
            argument,
            schema,
            keep_extra=keep_extra,
            version=version,
            allow_null=allow_null,
            csv=self._csv,
        )

    def columns(self, argument: str) -> list[str]:
        """The column names of a table at its pinned version, to distinguish the forms that it may have."""
        return read_columns(self._spark, argument, self.version(argument), self._csv)
