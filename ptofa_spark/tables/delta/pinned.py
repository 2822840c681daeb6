"""Tables held at one version for a whole run, which Spark would look for anew in every query."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.tables.delta.commits import TableVersion, delta_version
from ptofa_spark.tables.reading import AS_FOUND, read_columns, read_table


class PinnedTables:
    """Reads tables, each at the version that was the newest when it was first asked for."""

    def __init__(self, spark: SparkSession, versions: Iterable[TableVersion] = (), csv: CsvForm = AS_FOUND) -> None:
        """versions: of tables to be read as they were, instead of as they are; csv: how CSV files are read."""
        self._spark, self._csv = spark, csv
        self._pinned = {each.name: each for each in versions}

    @property
    def versions(self) -> tuple[TableVersion, ...]:
        """The tables given and asked for so far, in that order; what a commit or a report names as its sources."""
        return tuple(self._pinned.values())

    def pin(self, *arguments: str) -> PinnedTables:
        """Asks for tables that are to be of one moment, before the first of them is read."""
        for argument in arguments:
            self.version(argument)
        return self

    def version(self, argument: str) -> int | None:
        """The version that the table is read at; None of one that has none."""
        if argument not in self._pinned:
            self._pinned[argument] = delta_version(self._spark, argument)
        return self._pinned[argument].version

    def read(
        self, argument: str, schema: StructType, *, keep_extra: bool = False, allow_null: bool = False
    ) -> DataFrame:
        """The table at its version.

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
        """The names of its columns at its version, to tell apart the forms that a table may have."""
        return read_columns(self._spark, argument, self.version(argument), self._csv)
