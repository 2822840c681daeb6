"""The buffer gives all rows, once, in an order that the seed alone decides."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptofa_spark.feed.batches import LABELS, Rows, Widths, ahead, cut, shuffled


def numbered(sizes: list[int]) -> list[Rows]:
    """Row groups of these sizes, whose rows are numbered from 0."""
    groups, start = [], 0
    for size in sizes:
        ids = torch.arange(start, start + size)
        groups.append(Rows(ids[:, None], ids[:, None].float()))
        start += size
    return groups


def ids(groups: list[Rows]) -> list[int]:
    return [int(row) for group in groups for row in group.codes[:, 0]]


def mixed(sizes: list[int], capacity: int, seed: int) -> list[Rows]:
    return list(shuffled(iter(numbered(sizes)), capacity, torch.Generator().manual_seed(seed)))


@given(st.lists(st.integers(1, 40), max_size=8), st.integers(1, 60), st.integers(0, 3))
def test_the_buffer_gives_every_row_once(sizes: list[int], capacity: int, seed: int) -> None:
    assert sorted(ids(mixed(sizes, capacity, seed))) == list(range(sum(sizes)))


@given(st.lists(st.integers(1, 40), max_size=8), st.integers(1, 60), st.integers(0, 3))
def test_the_buffer_keeps_a_row_together(sizes: list[int], capacity: int, seed: int) -> None:
    for group in mixed(sizes, capacity, seed):
        assert torch.equal(group.codes.float(), group.numbers)


@given(st.lists(st.integers(1, 40), max_size=8), st.integers(1, 17))
def test_all_pieces_but_the_last_have_one_size(sizes: list[int], size: int) -> None:
    pieces = list(cut(iter(numbered(sizes)), size))
    total = sum(sizes)
    assert ids(pieces) == list(range(total))
    assert [len(piece) for piece in pieces] == [size] * (total // size) + ([total % size] if total % size else [])


def test_what_is_made_ahead_keeps_its_order() -> None:
    made: list[int] = []

    def counted() -> Iterator[Rows]:
        for number, group in enumerate(numbered([3, 1, 4, 1, 5])):
            made.append(number)
            yield group

    items = ahead(counted())
    first = next(items)
    while len(made) < 2:  # the second is made while the first is in use
        threading.Event().wait(0.01)
    assert ids([first, *items]) == list(range(14))


def failing(closed: threading.Event) -> Iterator[Rows]:
    try:
        yield from numbered([2, 2, 2])
        raise OSError("gone")
    finally:
        closed.set()


def test_an_error_of_the_source_reaches_the_reader() -> None:
    closed, before = threading.Event(), threading.active_count()
    with pytest.raises(OSError, match="gone"):
        list(ahead(failing(closed)))
    assert closed.is_set()
    assert threading.active_count() == before


def test_a_source_that_is_left_early_ends_with_its_thread() -> None:
    closed, before = threading.Event(), threading.active_count()
    items = ahead(failing(closed))
    next(items)
    items.close()  # type: ignore[attr-defined]  # a generator
    assert closed.is_set()
    assert threading.active_count() == before


def test_the_seed_decides_the_order() -> None:
    assert ids(mixed([50, 50], 30, 1)) == ids(mixed([50, 50], 30, 1))
    assert ids(mixed([50, 50], 30, 1)) != ids(mixed([50, 50], 30, 2))


def test_the_buffer_mixes_rows_of_neighbouring_groups() -> None:
    """The buffer holds four groups: its first batch has rows of each."""
    first = next(cut(iter(mixed([100] * 8, 400, 5)), 100))
    assert len({int(row) // 100 for row in first.codes[:, 0]}) == 4


def test_a_row_becomes_the_blocks_that_it_was_made_of() -> None:
    widths = Widths(codes=(2, 1, 0), numbers=(1, 0, 2))
    numbers = torch.arange(2.0 * (len(LABELS) + 3)).reshape(2, -1)
    batch = widths.batch(Rows(torch.tensor([[1, 2, 3], [4, 5, 6]]), numbers))
    assert batch.features.user.codes.tolist() == [[1, 2], [4, 5]]
    assert batch.features.fund.codes.tolist() == [[3], [6]]
    assert batch.features.pair.codes.shape == (2, 0)
    assert [batch.labels.conversion.tolist(), batch.labels.click.tolist(), batch.labels.revenue.tolist()] == [
        [0.0, 6.0],
        [1.0, 7.0],
        [2.0, 8.0],
    ]
    assert batch.features.user.numbers.tolist() == [[3.0], [9.0]]
    assert batch.features.fund.numbers.shape == (2, 0)
    assert batch.features.pair.numbers.tolist() == [[4.0, 5.0], [10.0, 11.0]]
