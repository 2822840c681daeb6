"""From a user's records to what was known of him before a campaign: the kernels that the maps over users carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import StructType

from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.features.facts.raw import Raw
from ptofa_spark.features.facts.records import EXPOSURE, PURCHASE, USER, Chunk, record_batch
from ptofa_spark.features.facts.windows import (
    DAY,
    Bought,
    Moments,
    Shown,
    times_bought,
    times_by_fund,
    times_by_kind,
    times_of_fund,
    window_features,
)

EVENT_COLUMNS = ("at", "campaign", "fund", "amount", "click", "conversion", "row_hash")
USER_COLUMNS = (*EVENT_COLUMNS, "user")
EXAMPLE_COLUMNS = (*USER_COLUMNS, "propensity")
# Purchases of the example's fund, of its type, and in all, before the campaign: what pair features are made of.
BOUGHT_FUND, BOUGHT_TYPE, BOUGHT = "bought_fund", "bought_type", "bought"


@dataclass(frozen=True)
class History:
    """What the kernels know of campaigns and funds.

    starts: (campaigns,), seconds since 1970; funds: ids; kinds: names of the types of funds, sorted; kind: (funds,),
    the type of each, -1 where it has none; user: the struct with a user's raw row.
    """

    starts: Ints
    funds: tuple[str, ...]
    kinds: tuple[str, ...]
    kind: Ints
    user: pa.DataType

    @classmethod
    def of(cls, raw: Raw, fund_types: Sequence[str | None], records: StructType) -> History:
        """Of the raw tables' campaigns and funds.

        Args:
            raw: the raw tables.
            fund_types: of each fund, in the order of raw.funds.
            records: schema of `records.user_records`.
        """
        kinds = tuple(sorted({name for name in fund_types if name is not None}))
        kind = np.array([-1 if name is None else kinds.index(name) for name in fund_types], dtype=np.int64)
        starts = [datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() for _, day in raw.campaigns]
        return cls(np.array(starts, dtype=np.int64), raw.funds, kinds, kind, to_arrow_type(records["user"].dataType))

    def users(self, chunk: Chunk) -> pa.RecordBatch:
        """One row a good user: his raw row, and his past as of the target campaign (the last)."""
        good = _good(chunk)
        rows = np.flatnonzero(good & (chunk.kind == USER))
        shown, bought = self._events(chunk, good)
        moments = Moments(chunk.user[rows], np.full(len(rows), self.starts[-1]))
        columns = {
            "user_id": chunk.table.column("user_id").take(pa.array(rows)),
            "user": chunk.table.column("user").take(pa.array(rows)),
            **{name: _nullable(values) for name, values in window_features(shown, bought, moments).items()},
            "purchases_by_fund": _maps(times_by_fund(bought, moments), self.funds),
            "purchases_by_type": _maps(times_by_kind(bought, moments), self.kinds),
        }
        return record_batch(columns, self.users_schema())

    def examples(self, chunk: Chunk) -> pa.RecordBatch:
        """One row a good exposure: what came of it, the user's raw row, and his past as of its campaign."""
        good = _good(chunk)
        rows = np.flatnonzero(good & (chunk.kind == EXPOSURE))
        shown, bought = self._events(chunk, good)
        campaign, fund = chunk.column("campaign")[rows], chunk.column("fund")[rows]
        moments = Moments(chunk.user[rows], self.starts[campaign] if len(rows) else np.zeros(0, dtype=np.int64))
        taken = chunk.table.take(pa.array(rows))
        columns = {name: taken.column(name) for name in ("user_id", "campaign", "fund")}
        columns |= {"user": chunk.table.column("user").take(pa.array(_row_of_user(chunk, good)[chunk.user[rows]]))}
        columns |= {name: taken.column(name) for name in ("propensity", "click", "conversion")}
        columns |= {"revenue": taken.column("amount")}
        columns |= {name: _nullable(values) for name, values in window_features(shown, bought, moments).items()}
        kind = self.kind[fund] if len(rows) else np.zeros(0, dtype=np.int64)
        of_kind = times_by_kind(bought, moments)
        typed = of_kind[np.arange(len(rows)), np.maximum(kind, 0)] if self.kinds else np.zeros(len(rows))
        columns |= {
            BOUGHT_FUND: pa.array(times_of_fund(bought, moments, fund).astype(np.float64)),
            BOUGHT_TYPE: pa.array(np.where(kind >= 0, typed, 0).astype(np.float64)),
            BOUGHT: pa.array(times_bought(bought, moments).astype(np.float64)),
        }
        return record_batch(columns, self.examples_schema())

    def fund_days(self, chunk: Chunk) -> pa.RecordBatch:
        """Purchases, exposures and conversions by fund and day."""
        good = _good(chunk)
        shown, bought = self._events(chunk, good)
        shown_fund = chunk.column("fund")[good & (chunk.kind == EXPOSURE)]
        fund = np.concatenate([bought.fund, shown_fund])
        day = np.concatenate([bought.at, shown.at]) // DAY
        none = np.zeros(len(bought.at), dtype=np.int64)
        counts = {
            "purchases": np.concatenate([none + 1, np.zeros(len(shown.at), dtype=np.int64)]),
            "exposures": np.concatenate([none, np.ones(len(shown.at), dtype=np.int64)]),
            "conversions": np.concatenate([none, shown.conversion.astype(np.int64)]),
        }
        # One number per cell: NumPy sorts numbers ten times as fast as pairs.
        first = int(day.min(initial=0))
        days = int(day.max(initial=0)) - first + 1
        cells, place = np.unique(fund * days + (day - first), return_inverse=True)
        sums = {
            name: pa.array(np.bincount(place, weights=values, minlength=len(cells)).astype(np.int64))
            for name, values in counts.items()
        }
        return record_batch({"fund": pa.array(cells // days), "day": pa.array(cells % days + first), **sums}, FUND_DAYS)

    def users_schema(self) -> pa.Schema:
        """Of `users`."""
        tally = pa.map_(pa.string(), pa.float64())
        return pa.schema(
            [pa.field("user_id", pa.int64(), nullable=False), ("user", self.user)]
            + [(name, pa.float64()) for name in WINDOW_COLUMNS]
            + [("purchases_by_fund", tally), ("purchases_by_type", tally)]
        )

    def examples_schema(self) -> pa.Schema:
        """Of `examples`."""
        return pa.schema(
            [pa.field("user_id", pa.int64(), nullable=False), ("campaign", pa.int32()), ("fund", pa.int32())]
            + [("user", self.user), ("propensity", pa.float64()), ("click", pa.bool_()), ("conversion", pa.bool_())]
            + [(name, pa.float64()) for name in ("revenue", *WINDOW_COLUMNS, BOUGHT_FUND, BOUGHT_TYPE, BOUGHT)]
        )

    def _events(self, chunk: Chunk, good: Bools) -> tuple[Shown, Bought]:
        shown, bought = good & (chunk.kind == EXPOSURE), good & (chunk.kind == PURCHASE)
        campaign = chunk.column("campaign")[shown]
        at = self.starts[campaign] if len(campaign) else np.zeros(0, dtype=np.int64)
        amount = chunk.table.column("amount").to_numpy()
        exposures = Shown(chunk.user[shown], at, chunk.flags("click")[shown], chunk.flags("conversion")[shown])
        seconds = chunk.column("at")[bought] // 1_000_000
        fund = chunk.column("fund")[bought]
        return exposures, Bought(chunk.user[bought], seconds, fund, amount[bought], self.kind)


FUND_DAYS = pa.schema([(name, pa.int64()) for name in ("fund", "day", "purchases", "exposures", "conversions")])
_NOBODY = np.zeros(0, dtype=np.int64)
WINDOW_COLUMNS = tuple(
    window_features(
        Shown(_NOBODY, _NOBODY, _NOBODY.astype(bool), _NOBODY.astype(bool)),
        Bought(_NOBODY, _NOBODY, _NOBODY, _NOBODY.astype(float), _NOBODY),
        Moments(_NOBODY, _NOBODY),
    )
)


def _good(chunk: Chunk) -> Bools:
    good: Bools = chunk.faults() == ""
    return good


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
