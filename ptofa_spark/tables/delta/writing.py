"""Writes Delta tables in one transaction, with CHECK constraints and the properties that readers need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import sleep

import delta.exceptions
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # has no stubs
from pyspark.errors import AnalysisException, PySparkException, UnsupportedOperationException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.tables.contracts.domains import constraints
from ptofa_spark.tables.delta.commits import Claim, TableVersion, commit_metadata, require_alone, require_unwritten
from ptofa_spark.tables.delta.targets import other_types, require_target
from ptofa_spark.tables.names import TableName, quoted

# Petastorm reads the table's Parquet files without Delta's log. It would return rows deleted by a vector, and miss
# columns renamed by mapping. So both are off on every table.
TABLE_PROPERTIES = {"delta.enableDeletionVectors": "false", "delta.columnMapping.mode": "none"}
# Petastorm decodes one row group as a whole, and the first batch of an epoch waits for it. Groups of about 100,000
# rows, which this size gives for the examples, were read fastest (docs/measured/results.md, "Row groups").
_GROUP_BYTES_PER_COLUMN = 72 * 2**10
# Parquet's writer counts the open page of every column in the size: with long pages, a group would have few rows.
_PAGE_ROWS = 5_000
# Delta's errors if another run commits between this run's read and commit.
_CONFLICTS = (
    "DELTA_CONCURRENT",
    "DELTA_METADATA_CHANGED",
    "DELTA_PROTOCOL_CHANGED",
    "DELTA_PATH_EXISTS",
    "DELTA_TABLE_ALREADY_EXISTS",
    "TABLE_OR_VIEW_ALREADY_EXISTS",
    # Another run's first files: the table is in the catalog only after that run's commit.
    "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION",
    "io.delta.exceptions",
    *delta.exceptions.__all__,
)
# Seconds before each attempt; another run's first write may take a while.
_PAUSES = (0, 0, 2, 8, 20)
# Delta's errors for a row that breaks a rule. If rows are replaced, they are in the cause of another error.
_BROKEN = ("[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES]", "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED]")
# A commit that creates or replaces a table in the catalog ignores the option `userMetadata`; only the session's
# setting works.
_USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


def write_table(
    frame: DataFrame,
    argument: str,
    *,
    kind: str | None = None,
    replace_where: str | Claim | None = None,
    built_from: Iterable[TableVersion] = (),
    partition_by: Sequence[str] = (),
    fed: bool = False,
    with_statistics: Sequence[str] = (),
) -> None:
    """Writes the frame as a Delta table in one transaction: a reader sees the old rows or the new ones, never both.

    Args:
        frame: the rows, with the table's schema.
        argument: catalog name or path/URI.
        kind: the table in `domains.DOMAINS` whose CHECK constraints a new table gets.
        replace_where: SQL predicate of the rows to replace; the new rows may have further columns. None replaces the
            whole table. A claim also allows concurrent runs that replace other rows.
        built_from: versions of the source tables, stored in the commit.
        partition_by: partition columns of a new table.
        fed: whether Petastorm reads the table, which then gets small row groups.
        with_statistics: the columns of a new table whose least and greatest values Delta keeps per file, so that
            readers skip files; if none are named, the first 32. To collect them took a seventh of a wide table's write.

    Raises:
        TableError: the target is not a Delta table (`require_target`) or has another schema, a row breaks a constraint,
            or another run has written the same rows since the claim.
    """
    name = TableName.parse(argument)
    claimed = replace_where if isinstance(replace_where, Claim) else None
    rows = replace_where.rows if isinstance(replace_where, Claim) else replace_where
    metadata = commit_metadata(built_from, rows)
    session = small_row_groups(len(frame.columns)) if fed else {}
    if name.in_catalog:
        session[_USER_METADATA] = metadata
    for pause in _PAUSES:
        sleep(pause)
        exists = require_target(frame.sparkSession, argument)
        before = require_unwritten(frame.sparkSession, claimed) if claimed else 0
        writer = frame.write.format("delta").partitionBy(*partition_by).option("userMetadata", metadata)
        if rows is not None and exists:
            writer = writer.mode("overwrite").option("replaceWhere", rows).option("mergeSchema", True)
        else:
            # Another run may create the table meanwhile: with a claim, it must not be overwritten as a whole.
            writer = writer.mode("overwrite" if claimed is None else "errorifexists")
            writer = writer.options(**_new_table_options(kind, with_statistics))
            if claimed is None:
                writer = writer.option("overwriteSchema", True)
        with in_session(frame.sparkSession, session):
            saved = _saved(writer, name, frame)
        if saved:
            if claimed is not None:
                require_alone(frame.sparkSession, claimed, before)
            return
        if claimed is None:
            break
    raise TableError(f"table {argument} is not written: another run was writing it: run again when that one is done")


def small_row_groups(columns: int) -> dict[str, str]:
    """Parquet settings for a table that Petastorm reads. columns: its number of columns."""
    size = _GROUP_BYTES_PER_COLUMN * columns
    return {"parquet.block.size": str(size), "parquet.page.row.count.limit": str(_PAGE_ROWS)}


@contextmanager
def in_session(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Sets session settings within the body, since Delta ignores Parquet settings in a write's options.

    They also affect tables that other threads of the session write meanwhile.
    """
    before: dict[str, str | None] = {key: spark.conf.get(key, None) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, earlier in before.items():
            if earlier is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, earlier)


def _new_table_options(kind: str | None, with_statistics: Sequence[str]) -> dict[str, str]:
    checks = constraints(kind) if kind else {}
    skipping = {"delta.dataSkippingStatsColumns": ",".join(with_statistics)} if with_statistics else {}
    return TABLE_PROPERTIES | skipping | {f"delta.constraints.{key}": rule for key, rule in checks.items()}


def _saved(writer: DataFrameWriter, name: TableName, frame: DataFrame) -> bool:
    """Writes the rows. Returns False if another run's commit conflicted."""
    try:
        if name.in_catalog:
            writer.saveAsTable(name.sql())
        else:
            writer.save(name.text)
    except (PySparkException, Py4JJavaError) as error:
        if any(sign in f"{type(error).__name__}: {error}" for sign in _CONFLICTS):
            return False
        broken = _broken_rule(f"{error}\n{getattr(error, '_stackTrace', '')}")
        if broken is not None:
            raise TableError(f"table {name} is not written: {broken}: correct the rows, or the table's rule") from error
        if isinstance(error, AnalysisException | UnsupportedOperationException):
            raise TableError(f"table {name} cannot be written: {_reason(str(error), name, frame)}") from error
        raise
    return True


def _reason(text: str, name: TableName, frame: DataFrame) -> str:
    """Delta's error in one line, with the table's name and column types, which Delta omits."""
    if "[DELTA_FAILED_TO_MERGE_FIELDS]" in text:
        differing = other_types(frame.sparkSession, name.text, frame.schema)
        if differing is not None:
            return f"{differing}: alter that table, or write to another"
    in_sql = name.sql() if name.in_catalog else f"delta.{quoted(name.text)}"
    return text.split("\n", 1)[0].replace("ALTER TABLE null", f"ALTER TABLE {in_sql}")


def _broken_rule(text: str) -> str | None:
    """Delta's error for a row that breaks a rule of the table, in one line; None for any other error."""
    start = max(text.find(sign) for sign in _BROKEN)
    # Delta checks `replaceWhere` as a constraint named EXPRESSION(...).
    if start < 0 or text[start:].split("]", 1)[1].lstrip().startswith("CHECK constraint EXPRESSION("):
        return None
    lines = [line.strip() for line in text[start:].splitlines()]
    ends = [number for number, line in enumerate(lines) if line.startswith(("at ", "... ")) or "Exception: [" in line]
    return " ".join(lines[: ends[0] if ends else len(lines)])
