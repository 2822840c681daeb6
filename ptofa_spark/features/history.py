"""The kernels of the maps over users. They compute the rows of the three feature tables from users' records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.features.facts.past import DAY, Activity, Events, Moments, Past
from ptofa_spark.features.facts.raw import Raw
from ptofa_spark.features.facts.records import EXPOSURE, PURCHASE, USER, Chunk, arrow_schema, record_batch
from ptofa_spark.features.fund import COUNTED_EVENTS
from ptofa_spark.features.pair import PAST_FACTS, TALLIES
from ptofa_spark.features.user import DECLARED_USER_FEATURES, past_features

# Columns of the records that the kernels read.
EVENT_COLUMNS = ("at", "campaign", "fund", "amount", "click", "conversion", "row_hash")
USER_COLUMNS = (*EVENT_COLUMNS, "user")
EXAMPLE_COLUMNS = (*USER_COLUMNS, "propensity")
FUND_DAYS = pa.schema([(name, pa.int64()) for name in ("fund", "day", *COUNTED_EVENTS)])


@dataclass(frozen=True)
class History:
    """What the kernels need of campaigns and funds.

    starts: (campaigns,), seconds since 1970; funds: ids; types: names of the types of funds, sorted; fund_type:
    (funds,), place of each fund's type in `types`, -1 if it has none; user: the struct with a user's raw row.
    """

    starts: Ints
    funds: tuple[str, ...]
    types: tuple[str, ...]
    fund_type: Ints
    user: pa.DataType

    @classmethod
    def of(cls, raw: Raw, records: DataFrame) -> History:
        """Makes it from the raw tables' campaigns and funds. Of the records, only their schema is used."""
        types = tuple(sorted({name for name in raw.fund_types if name is not None}))
        fund_type = np.array([-1 if name is None else types.index(name) for name in raw.fund_types], dtype=np.int64)
        starts = [datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() for _, day in raw.campaigns]
        user = arrow_schema(records.select("user")).field("user").type
        return cls(np.array(starts, dtype=np.int64), raw.funds, types, fund_type, user)

    def users(self, chunk: Chunk) -> pa.RecordBatch:
        """One row per good user: their raw row, and their past as of the target campaign (the last)."""
        good = chunk.good
        rows = np.flatnonzero(good & (chunk.kind == USER))
        past = Past(self._activity(chunk, good), Moments(chunk.user[rows], np.full(len(rows), self.starts[-1])))
        columns = {
            "user_id": chunk.table.column("user_id").take(pa.array(rows)),
            "user": chunk.table.column("user").take(pa.array(rows)),
            **{name: _nullable(values) for name, values in past_features(past).items()},
        }
        for name, tally in TALLIES.items():
            columns[name] = _maps(tally.table(past), self.funds if tally.by == "fund" else self.types)
        return record_batch(columns, self.users_schema())

    def examples(self, chunk: Chunk) -> pa.RecordBatch:
        """One row per good exposure: its outcome, the user's raw row, and their past as of its campaign."""
        good = chunk.good
        rows = np.flatnonzero(good & (chunk.kind == EXPOSURE))
        campaign, fund = chunk.column("campaign")[rows], chunk.column("fund")[rows]
        past = Past(self._activity(chunk, good), Moments(chunk.user[rows], self.starts[campaign]))
        taken = chunk.table.take(pa.array(rows))
        columns = {name: taken.column(name) for name in ("user_id", "campaign", "fund")}
        columns |= {"user": chunk.table.column("user").take(pa.array(_row_of_user(chunk, good)[chunk.user[rows]]))}
        columns |= {name: taken.column(name) for name in ("propensity", "click", "conversion")}
        columns |= {"revenue": taken.column("amount")}
        columns |= {name: _nullable(values) for name, values in past_features(past).items()}
        for name, fact in PAST_FACTS.items():
            columns[name] = pa.array(fact.of_logged(past, fund).astype(np.float64))
        return record_batch(columns, self.examples_schema())

    def fund_days(self, chunk: Chunk) -> pa.RecordBatch:
        """How many events there are of each sort in COUNTED_EVENTS, by fund and day."""
        activity = self._activity(chunk, chunk.good)
        sorts = [events(activity) for events in COUNTED_EVENTS.values()]
        fund = np.concatenate([events.fund for events in sorts])
        day = np.concatenate([events.at for events in sorts]) // DAY
        sort = np.repeat(np.arange(len(sorts)), [len(events.at) for events in sorts])
        # One number per cell: NumPy sorts numbers ten times as fast as pairs.
        first = int(day.min(initial=0))
        days = int(day.max(initial=0)) - first + 1
        cells, place = np.unique(fund * days + (day - first), return_inverse=True)
        counts = {
            name: pa.array(np.bincount(place[sort == number], minlength=len(cells)).astype(np.int64))
            for number, name in enumerate(COUNTED_EVENTS)
        }
        cell = {"fund": pa.array(cells // days), "day": pa.array(cells % days + first)}
        return record_batch(cell | counts, FUND_DAYS)

    def users_schema(self) -> pa.Schema:
        """The schema of `users`."""
        return pa.schema(
            [pa.field("user_id", pa.int64(), nullable=False), ("user", self.user)]
            + [(name, pa.float64()) for name in DECLARED_USER_FEATURES]
            + [(name, pa.map_(pa.string(), pa.float64())) for name in TALLIES]
        )

    def examples_schema(self) -> pa.Schema:
        """The schema of `examples`."""
        return pa.schema(
            [pa.field("user_id", pa.int64(), nullable=False), ("campaign", pa.int32()), ("fund", pa.int32())]
            + [("user", self.user), ("propensity", pa.float64()), ("click", pa.bool_()), ("conversion", pa.bool_())]
            + [(name, pa.float64()) for name in ("revenue", *DECLARED_USER_FEATURES, *PAST_FACTS)]
        )

    def _activity(self, chunk: Chunk, good: Bools) -> Activity:
        exposed, purchased = good & (chunk.kind == EXPOSURE), good & (chunk.kind == PURCHASE)
        fund, amount = chunk.column("fund"), chunk.table.column("amount").to_numpy()
        start = self.starts[chunk.column("campaign")[exposed]]
        seconds = chunk.column("at")[purchased] // 1_000_000
        return Activity(
            purchases=Events(chunk.user[purchased], seconds, fund[purchased], amount[purchased]),
            exposures=Events(chunk.user[exposed], start, fund[exposed], amount[exposed]),
            clicked=chunk.flags("click")[exposed],
            converted=chunk.flags("conversion")[exposed],
            fund_type=self.fund_type,
        )


def _row_of_user(chunk: Chunk, good: Bools) -> Ints:
    """(users of the chunk,), the row with each user's attributes."""
    rows = np.flatnonzero(good & (chunk.kind == USER))
    place = np.zeros(int(chunk.user[-1]) + 1, dtype=np.int64)
    place[chunk.user[rows]] = rows
    return place


def _nullable(values: Floats) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def _maps(counts: Ints, names: Sequence[str]) -> pa.Array:
    """Each row's counts that are not 0, by name: map<string, double>."""
    row, column = np.nonzero(counts)
    ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(row, minlength=len(counts)))])
    keys = pa.array(list(names), pa.string()).take(pa.array(column, pa.int64()))
    items = pa.array(counts[row, column].astype(np.float64))
    return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), keys, items)
