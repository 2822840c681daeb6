"""Writes Delta tables, each in one transaction, with the properties that their readers need and their constraints."""

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

# Petastorm opens the table's Parquet files itself and knows nothing of Delta's log: a row deleted by a vector would
# come back to life, and a column renamed by mapping would be missing. Both stay off on every table.
TABLE_PROPERTIES = {"delta.enableDeletionVectors": "false", "delta.columnMapping.mode": "none"}
# Petastorm hands the trainer one row group at a time, decoded as a whole, and the first batch of an epoch waits for it:
# some 100,000 rows, as this makes them of the examples, were read fastest (docs/measured/results.md, "Row groups").
_GROUP_BYTES_A_COLUMN = 72 * 2**10
# Parquet's writer counts the open page of every column into the size: with long pages a group of that size would hold
# little else, and few rows.
_PAGE_ROWS = 5_000
# How Delta says that another run's commit came between reading the table and committing.
_CONFLICTS = (
    "DELTA_CONCURRENT",
    "DELTA_METADATA_CHANGED",
    "DELTA_PROTOCOL_CHANGED",
    "DELTA_PATH_EXISTS",
    "DELTA_TABLE_ALREADY_EXISTS",
    "TABLE_OR_VIEW_ALREADY_EXISTS",
    # Another run's first files: the catalog knows the table only when that run has committed.
    "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION",
    "io.delta.exceptions",
    *delta.exceptions.__all__,
)
# Seconds before each attempt; another run's first write of a table may take its time.
_PAUSES = (0, 0, 2, 8, 20)
# What a row breaks that Delta does not take. Where rows are replaced this stands in the cause of another error.
_BROKEN = ("[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES]", "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED]")
# The commit that creates or replaces a table of the catalog takes no option `userMetadata`, only the session's.
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
) -> None:
    """Writes the frame as a Delta table in one transaction; a reader sees the old rows or the new ones, never both.

    Args:
        frame: the rows, with the table's schema.
        argument: catalog name or path/URI.
        kind: the table in `domains.DOMAINS` whose CHECK constraints a new table gets.
        replace_where: SQL predicate of the rows to replace, which may bring new columns; without it the whole table is
            replaced. A claim besides lets runs that replace other rows write at the same time.
        built_from: versions of the tables the rows were made from, kept in the commit.
        partition_by: columns that a new table's files are laid out by.
        fed: whether Petastorm reads the table, whose row groups are small then.

    Raises:
        TableError: the place holds something that is no Delta table (`require_target`), or a table with another schema,
            or a row breaks a constraint, or another run has written the same rows since they were claimed.
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
        there = require_target(frame.sparkSession, argument)
        if claimed is not None:
            require_unwritten(frame.sparkSession, claimed)
        writer = frame.write.format("delta").partitionBy(*partition_by).option("userMetadata", metadata)
        if rows is not None and there:
            writer = writer.mode("overwrite").option("replaceWhere", rows).option("mergeSchema", True)
        else:
            # A claimed table that another run creates meanwhile must not be overwritten as a whole.
            writer = writer.mode("overwrite" if claimed is None else "errorifexists")
            writer = writer.options(**_of_a_new_table(kind))
            if claimed is None:
                writer = writer.option("overwriteSchema", True)
        with in_session(frame.sparkSession, session):
            saved = _saved(writer, name, frame)
        if saved:
            if claimed is not None:
                require_alone(frame.sparkSession, claimed)
            return
        if claimed is None:
            break
    raise TableError(f"table {argument} is not written: another run was writing it: run again when that one is done")


def small_row_groups(columns: int) -> dict[str, str]:
    """Parquet's settings for a table of so many columns that Petastorm reads."""
    size = _GROUP_BYTES_A_COLUMN * columns
    return {"parquet.block.size": str(size), "parquet.page.row.count.limit": str(_PAGE_ROWS)}


@contextmanager
def in_session(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Settings of the session for what is written inside: Delta hands none of Parquet's from a write's options on.

    The whole session's: a table that another thread of it writes meanwhile is written alike.
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


def _of_a_new_table(kind: str | None) -> dict[str, str]:
    checks = constraints(kind) if kind else {}
    return TABLE_PROPERTIES | {f"delta.constraints.{key}": rule for key, rule in checks.items()}


def _saved(writer: DataFrameWriter, name: TableName, frame: DataFrame) -> bool:
    """Whether the rows are in the table; False if another run's commit came between."""
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
    """What Delta says, in one line that names the table and the types of its columns, which Delta leaves out."""
    if "[DELTA_FAILED_TO_MERGE_FIELDS]" in text:
        differing = other_types(frame.sparkSession, name.text, frame.schema)
        if differing is not None:
            return f"{differing}: alter that table, or write to another"
    in_sql = name.sql() if name.in_catalog else f"delta.{quoted(name.text)}"
    return text.split("\n", 1)[0].replace("ALTER TABLE null", f"ALTER TABLE {in_sql}")


def _broken_rule(text: str) -> str | None:
    """What Delta says of the row that breaks a rule of the table, as one line; None for any other error."""
    start = max(text.find(sign) for sign in _BROKEN)
    # Delta holds the rows to `replaceWhere` as to a constraint that is named EXPRESSION(...).
    if start < 0 or text[start:].split("]", 1)[1].lstrip().startswith("CHECK constraint EXPRESSION("):
        return None
    lines = [line.strip() for line in text[start:].splitlines()]
    ends = [place for place, line in enumerate(lines) if line.startswith(("at ", "... ")) or "Exception: [" in line]
    return " ".join(lines[: ends[0] if ends else len(lines)])
