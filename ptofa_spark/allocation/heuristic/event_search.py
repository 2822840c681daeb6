"""Finds where in the order of the users an event falls: no sort of all users, no more than one bin on the driver.

The order is (value falling, user_id rising). Its key is 128 bits, the value's and the user's, cut into digits: one pass
counts the users by the first digit (sign, exponent and five bits of the value), the driver finds the bin that holds the
event, and only that bin's rows come to the driver. A bin of too many rows (many ties) is counted again by the next
digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ptofa_spark.allocation.plan.steps import Ranked, Step, replay
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.arrow_lists import list_matrix, lists
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Bools, Floats, Ints

Keys = NDArray[np.uint64]

_TOP_BIT = np.uint64(1 << 63)
# (which key, shift, bits): the value's 64 bits, then the user's.
_DIGITS = tuple((key, shift, 17 if shift != 0 else 13) for key in (0, 1) for shift in (47, 30, 13, 0))
_MERGE_EVERY = 32
# Users times columns that the driver sweeps without counting bins first, some 25 bytes each.
_AT_ONCE = 20_000_000


@dataclass(frozen=True)
class Tally:
    """What users add up to, one row per bin or per user, in the order of the sweep.

    users: (rows, classes); chosen: (rows, columns), exposures that a column's fund gets.
    """

    users: Ints
    chosen: Ints

    def cumulative(self) -> Tally:
        """Running totals: row i is what the first i+1 rows add up to."""
        return Tally(self.users.cumsum(axis=0), self.chosen.cumsum(axis=0))

    def row(self, index: int) -> Tally:
        """One row, as a tally of shape (1, ...)."""
        return Tally(self.users[[index]], self.chosen[[index]])

    def plus(self, start: Tally) -> Tally:
        """Every row with one more row added to it."""
        return Tally(self.users + start.users, self.chosen + start.chosen)


@dataclass(frozen=True)
class EventUser:
    """The user at whom the event falls.

    value, user_id: their place; class_index; expected_revenue: (funds,); through: what all users up to this one
    add up to; before: the same without this one.
    """

    value: float
    user_id: int
    class_index: int
    expected_revenue: Floats
    through: Tally
    before: Tally

    @classmethod
    def at(cls, value: float, users: UserBatch, row: int, running: Tally, index: int, start: Tally) -> EventUser:
        """The user in a row of a batch, at whom the event has happened in row `index` of the totals after `start`."""
        return cls(
            value=value,
            user_id=int(users.user_id[row]),
            class_index=int(users.class_index[row]),
            expected_revenue=users.expected_revenue[row],
            through=running.row(index),
            before=running.row(index - 1) if index else start,
        )


@dataclass(frozen=True)
class Search:
    """One step of a sweep, still without its cut, over the users that earlier steps left.

    columns: number of choice columns; left: users that the step may rank, at most; max_rows: users that may come to the
    driver at once.
    """

    score_table: ScoreTable
    done: Sequence[Step]
    step: Step
    k: int
    columns: int
    left: int
    max_rows: int

    def first(self, event: Callable[[Tally], int]) -> EventUser | None:
        """The first user at whom the event has happened, or None if it happens at nobody.

        Args:
            event: takes running totals and gives the first row at which the event has happened, the number of rows
                where it has at none. Once happened, an event stays happened.
        """
        prefix: tuple[int, ...] = ()
        start = self._empty()
        if self.left <= self.max_rows and self.left * self.columns <= _AT_ONCE:
            return self._in_bin(prefix, start, event)
        while True:
            bins, tally = self._histogram(prefix)
            running = tally.cumulative().plus(start)
            index = event(running)
            if index == len(bins):
                return None
            start = running.row(index - 1) if index else start
            prefix = (*prefix, int(bins[index]))
            if int(tally.users[index].sum()) <= self.max_rows or len(prefix) == len(_DIGITS):
                return self._in_bin(prefix, start, event)

    def _in_bin(self, prefix: tuple[int, ...], start: Tally, event: Callable[[Tally], int]) -> EventUser | None:
        rows = self._rows(prefix)
        order = np.lexsort((rows.user_id, -rows.value))
        running = self._tally_rows(rows.user_class[order], rows.chosen[order]).cumulative().plus(start)
        index = event(running)
        if index == len(order):
            return None
        users = UserBatch(rows.user_id, rows.user_class, rows.expected_revenue)
        return EventUser.at(float(rows.value[order[index]]), users, order[index], running, index, start)

    def _empty(self) -> Tally:
        return Tally(np.zeros((1, len(self.score_table.classes)), np.int64), np.zeros((1, self.columns), np.int64))

    def _histogram(self, prefix: tuple[int, ...]) -> tuple[Ints, Tally]:
        """Bins at the next digit, in the order of the sweep, and what each adds up to."""
        classes = len(self.score_table.classes)
        table = self.score_table.collect(_histogram_kernel(self, prefix), _HISTOGRAM)
        code, sums = _merge([(table["code"].to_numpy(), list_matrix(table["sums"]))], 1 + self.columns)
        bins, which = np.unique(code // classes, return_inverse=True)
        users = np.zeros((len(bins), classes), dtype=np.int64)
        users[which, code % classes] = sums[:, 0]
        chosen = np.zeros((len(bins), self.columns), dtype=np.int64)
        np.add.at(chosen, which, sums[:, 1:])
        return bins, Tally(users, chosen)

    def _rows(self, prefix: tuple[int, ...]) -> _Rows:
        table = self.score_table.collect(_rows_kernel(self, prefix), _ROWS)
        return _Rows(
            table["user_id"].to_numpy(),
            table["class_index"].to_numpy(),
            table["value"].to_numpy(),
            list_matrix(table["chosen"]),
            list_matrix(table["expected_revenue"]),
        )

    def _tally_rows(self, user_class: Ints, chosen: Ints) -> Tally:
        return tally_of(user_class, chosen, len(self.score_table.classes), self.columns)


def tally_of(user_class: Ints, chosen: Ints, classes: int, columns: int) -> Tally:
    """One row per user: class (users,), columns taken (users, taken)."""
    users = np.zeros((len(user_class), classes), dtype=np.int64)
    users[np.arange(len(user_class)), user_class] = 1
    return Tally(users, count_columns(chosen, columns))


def count_columns(chosen: Ints, columns: int) -> Ints:
    """How often each row holds each column: (rows, columns) from (rows, taken); -1 counts nowhere."""
    counts = np.zeros((len(chosen), columns), dtype=np.int64)
    for place in range(chosen.shape[1]):
        held = chosen[:, place] >= 0
        np.add.at(counts, (np.flatnonzero(held), chosen[held, place]), 1)
    return counts


def order_keys(value: Floats, user_id: Ints) -> tuple[Keys, Keys]:
    """Two 64-bit keys whose rising order is (value falling, user_id rising), each (users,); -0.0 counts as 0.0."""
    bits = (value + 0.0).view(np.int64)
    rising = np.where(bits < 0, bits ^ np.int64(0x7FFF_FFFF_FFFF_FFFF), bits)
    return (~rising).view(np.uint64) ^ _TOP_BIT, user_id.view(np.uint64) ^ _TOP_BIT


def _digit(keys: tuple[Keys, Keys], level: int) -> Ints:
    which, shift, bits = _DIGITS[level]
    return ((keys[which] >> np.uint64(shift)) & np.uint64((1 << bits) - 1)).astype(np.int64)


def _in_prefix(keys: tuple[Keys, Keys], prefix: tuple[int, ...]) -> Bools:
    inside = np.ones(len(keys[0]), dtype=bool)
    for level, digit in enumerate(prefix):
        inside &= _digit(keys, level) == digit
    return inside


@dataclass(frozen=True)
class _Rows:
    user_id: Ints
    user_class: Ints
    value: Floats
    chosen: Ints
    expected_revenue: Floats


_HISTOGRAM = pa.schema([("code", pa.int64()), ("sums", pa.list_(pa.int64()))])
_ROWS = pa.schema(
    [
        ("user_id", pa.int64()),
        ("class_index", pa.int64()),
        ("value", pa.float64()),
        ("chosen", pa.list_(pa.int64())),
        ("expected_revenue", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True)
class _Work:
    """The part of a search that travels to the workers."""

    done: tuple[Step, ...]
    step: Step
    k: int
    columns: int
    classes: int


def _ranked(work: _Work, prefix: tuple[int, ...], batch: UserBatch) -> tuple[Ranked, tuple[Keys, Keys]]:
    ranked = work.step.rank(batch, replay(work.done, batch, work.k))
    keys = order_keys(ranked.value, batch.user_id[ranked.rows])
    inside = _in_prefix(keys, prefix)
    return (
        Ranked(ranked.rows[inside], ranked.value[inside], ranked.chosen[inside]),
        (keys[0][inside], keys[1][inside]),
    )


def _work(search: Search) -> _Work:
    return _Work(tuple(search.done), search.step, search.k, search.columns, len(search.score_table.classes))


def _histogram_kernel(search: Search, prefix: tuple[int, ...]) -> Callable[..., Iterator[pa.RecordBatch]]:
    work = _work(search)

    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        parts: list[tuple[Ints, Ints]] = []
        width = 1 + work.columns
        for batch in batches:
            ranked, keys = _ranked(work, prefix, batch)
            code = _digit(keys, len(prefix)) * work.classes + batch.class_index[ranked.rows]
            sums = np.hstack([np.ones((len(code), 1), np.int64), count_columns(ranked.chosen, work.columns)])
            parts.append(_merge([(code, sums)], width))
            if len(parts) >= _MERGE_EVERY:
                parts = [_merge(parts, width)]
        code, sums = _merge(parts, width)
        yield pa.record_batch([pa.array(code), lists(sums)], schema=_HISTOGRAM)

    return kernel


def _rows_kernel(search: Search, prefix: tuple[int, ...]) -> Callable[..., Iterator[pa.RecordBatch]]:
    work = _work(search)

    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            ranked, _ = _ranked(work, prefix, batch)
            yield pa.record_batch(
                [
                    pa.array(batch.user_id[ranked.rows]),
                    pa.array(batch.class_index[ranked.rows]),
                    pa.array(ranked.value),
                    lists(ranked.chosen),
                    lists(batch.expected_revenue[ranked.rows]),
                ],
                schema=_ROWS,
            )

    return kernel


def _merge(parts: list[tuple[Ints, Ints]], width: int) -> tuple[Ints, Ints]:
    """Adds up the rows of equal code: sorted codes (m,), sums (m, width)."""
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros((0, width), dtype=np.int64)
    codes = np.concatenate([code for code, _ in parts])
    rows = np.concatenate([sums.reshape(-1, width) for _, sums in parts])
    order = np.argsort(codes, kind="stable")
    codes, rows = codes[order], rows[order]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else np.zeros(0, dtype=np.int64)
    return codes[starts], np.add.reduceat(rows, starts, axis=0) if len(codes) else rows
