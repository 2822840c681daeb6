"""All records of each user, in order of time: the only shuffle of the feature tables.

Users, exposures and purchases become rows of one shape. They are shuffled by user_id once and kept on the executors'
disks. Windows, duplicates and events of unknown users need all rows of a user: each is then a map over users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import ArrayType, DataType, StructType

from ptofa_spark.arrays import Bools, Ints
from ptofa_spark.features.facts.raw import CONFLICTING, DOUBLED, Raw
from ptofa_spark.tables.names import quoted

# Kinds of records, in the order in which a user's records are sorted.
USER, EXPOSURE, PURCHASE = 0, 1, 2
# Why a record is bad; "" if it is good.
FAULTS = ("", "user_id is not in users", CONFLICTING, DOUBLED)

_RECORDS_PER_PARTITION = 2_000_000
_MIN_PARTITIONS = 4
ROWS_PER_CHUNK = 100_000

Kernel = Callable[["Chunk"], pa.RecordBatch]


def user_records(raw: Raw, rows: int) -> DataFrame:
    """All records, shuffled and sorted by user. Any layout of the raw tables gives the same partitions and order.

    Columns: user_id; kind; at (timestamp of a purchase); campaign and fund (places in raw.campaigns and raw.funds);
    amount (money of a purchase, revenue of an exposure); propensity, click, conversion; user (the raw row, of kind
    USER); row_hash (of the whole raw row: it tells equal rows of one key from conflicting ones).

    Args:
        raw: the raw tables.
        rows: how many rows they have. The number of partitions depends on it alone, so that the files of the feature
            tables do not depend on the machine.
    """
    users, exposures, purchases = (raw.good(name) for name in ("users", "exposures", "transactions"))
    about = F.struct(*[F.col(quoted(name)) for name in users.columns if name != "user_id"])
    nothing = {
        "at": F.lit(None).cast("timestamp"),
        "campaign": F.lit(None).cast("int"),
        "fund": F.lit(None).cast("int"),
        "amount": F.lit(None).cast("double"),
        "propensity": F.lit(None).cast("double"),
        "click": F.lit(None).cast("boolean"),
        "conversion": F.lit(None).cast("boolean"),
    }
    who = _record(users, USER, nothing | {"user": about})
    no_user = nothing | {"user": F.lit(None).cast(who.schema["user"].dataType)}
    fund = _place("fund_id", raw.funds)
    shown = _record(
        exposures.where(F.col("campaign_id").isin([campaign for campaign, _ in raw.campaigns])),
        EXPOSURE,
        no_user
        | {"campaign": _place("campaign_id", [campaign for campaign, _ in raw.campaigns]), "fund": fund}
        | {"amount": F.col("revenue")}
        | {name: F.col(name) for name in ("propensity", "click", "conversion")},
    )
    bought = _record(
        purchases, PURCHASE, no_user | {"at": F.col("transacted_at"), "fund": fund, "amount": F.col("amount")}
    )
    records = who.unionByName(shown).unionByName(bought)
    partitions = max(_MIN_PARTITIONS, -(-rows // _RECORDS_PER_PARTITION))
    return records.repartition(partitions, "user_id").sortWithinPartitions(
        "user_id", "kind", "at", "campaign", "fund", "row_hash", "amount"
    )


@dataclass(frozen=True)
class Chunk:
    """All records of some users, sorted as `user_records` sorts them.

    table: the records; user: (rows,), the number of the row's user in the chunk, rising from 0; kind: (rows,).
    """

    table: pa.Table
    user: Ints
    kind: Ints

    def column(self, name: str) -> Ints:
        """A column as integers (a timestamp in microseconds), null as -1."""
        values = self.table.column(name)
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.int64())
        whole: Ints = pc.fill_null(values, -1).to_numpy().astype(np.int64)
        return whole

    def flags(self, name: str) -> Bools:
        """A column of booleans, null as false."""
        flags: Bools = pc.fill_null(self.table.column(name), False).to_numpy().astype(bool)
        return flags

    @cached_property
    def fault(self) -> Ints:
        """Why each row is bad, (rows,): its place in FAULTS, 0 if the row is good."""
        again, conflicting = self._repeated()
        known = np.zeros(int(self.user[-1]) + 1, dtype=bool)
        known[self.user[(self.kind == USER) & ~again & ~conflicting]] = True
        stray = (self.kind != USER) & ~known[self.user]
        place: Ints = np.select([stray, conflicting, again], [1, 2, 3], 0)
        return place

    @property
    def good(self) -> Bools:
        """Whether each row is good: (rows,)."""
        good: Bools = self.fault == 0
        return good

    def _repeated(self) -> tuple[Bools, Bools]:
        """Masks (rows,): repeats an earlier row of its key; the rows of its key differ. Purchases have no key."""
        keyed = self.kind != PURCHASE
        campaign, fund, row_hash = self.column("campaign"), self.column("fund"), self.column("row_hash")
        parts = (self.user, self.kind, campaign, fund)
        same_key = np.zeros(len(self.user), dtype=bool)
        same_key[1:] = np.logical_and.reduce([part[1:] == part[:-1] for part in parts]) & keyed[1:]
        group = np.cumsum(~same_key) - 1
        differs = np.zeros(len(self.user), dtype=bool)
        differs[1:] = same_key[1:] & (row_hash[1:] != row_hash[:-1])
        in_conflict = np.bincount(group, weights=differs, minlength=1)[group] > 0
        return same_key & ~in_conflict, in_conflict


def map_users(records: DataFrame, columns: Sequence[str], kernel: Kernel, schema: pa.Schema) -> DataFrame:
    """One map over all users. The kernel gets chunks of whole users, with user_id, kind and the named columns."""
    needed = list(dict.fromkeys(["user_id", "kind", *columns]))

    def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for chunk in user_chunks(batches):
            yield kernel(chunk)

    return records.select(*needed).mapInArrow(carry, from_arrow_schema(schema))


def arrow_schema(frame: DataFrame) -> pa.Schema:
    """The schema in which a kernel of `mapInArrow` gets the frame's rows. No row is read."""
    return frame.limit(0).toArrow().schema


def record_batch(columns: dict[str, pa.Array | pa.ChunkedArray], schema: pa.Schema) -> pa.RecordBatch:
    """The columns in the order and the types of the schema."""
    arrays = []
    for field in schema:
        column = columns[field.name]
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        arrays.append(whole if whole.type == field.type else whole.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def user_chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[Chunk]:
    """The rows of sorted batches in chunks of about ROWS_PER_CHUNK. Each chunk ends with the last row of a user."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if batch.num_rows == 0:
            continue
        held.append(batch)
        rows += batch.num_rows
        if rows < ROWS_PER_CHUNK:
            continue
        table = pa.Table.from_batches(held)
        user_id = table.column("user_id").to_numpy()
        last = int(np.searchsorted(user_id, user_id[-1]))
        if last > 0:
            yield _chunk(table.slice(0, last))
        held, rows = table.slice(last).to_batches(), len(user_id) - last
    if rows:
        yield _chunk(pa.Table.from_batches(held))


def _chunk(table: pa.Table) -> Chunk:
    user_id = table.column("user_id").to_numpy()
    user = np.zeros(len(user_id), dtype=np.int64)
    user[1:] = np.cumsum(user_id[1:] != user_id[:-1])
    return Chunk(table, user, table.column("kind").to_numpy().astype(np.int64))


def _record(rows: DataFrame, kind: int, columns: dict[str, Column]) -> DataFrame:
    """Rows of a raw table in the shape of records. row_hash covers nulls too, which Spark's hash skips."""
    values = [_whole(F.col(quoted(field.name)), field.dataType) for field in rows.schema]
    row_hash = F.xxhash64(*values, F.array(*[value.isNull() for value in values]))
    return rows.select(
        "user_id",
        F.lit(kind).alias("kind"),
        *[column.alias(name) for name, column in columns.items()],
        row_hash.alias("row_hash"),
    )


def _whole(value: Column, data_type: DataType) -> Column:
    """The value, with the nulls inside a nested one written out: Spark's hash would skip them."""
    nested = isinstance(data_type, ArrayType | StructType)
    return F.to_json(F.struct(value.alias("value")), {"ignoreNullFields": "false"}) if nested else value


def _place(column: str, ids: Sequence[str]) -> Column:
    """The place of a column's value in the list of ids, as int."""
    entries = [part for place, name in enumerate(ids) for part in (F.lit(name), F.lit(place))]
    return F.try_element_at(F.create_map(*entries), F.col(column))


def name_of(place: str, names: Sequence[str]) -> Column:
    """The name at the place that a column holds."""
    return F.array(*[F.lit(name) for name in names])[F.col(place)]
