"""Tables as they arrive when something went wrong: small frames, changed by mutations that a seed draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

IDS = (
    "基金",
    "fünf",
    "a'b",
    '"; DROP TABLE users; --',
    "`x`",
    "../../etc",
    "a,b\nc",
    "%s{}\\",
    " ",
    "",
    "\N{BAR CHART}",
)
NUMBERS = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e-300, 1e300, 2.0**63, -(2.0**63), 0.5)
Mutation = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def _column(frame: pd.DataFrame, rng: np.random.Generator) -> Any:
    return frame.columns[rng.integers(len(frame.columns))]


def _with_cell(frame: pd.DataFrame, rng: np.random.Generator, value: Any) -> pd.DataFrame:
    if frame.empty or not len(frame.columns):
        return frame
    column = _column(frame, rng)
    values = list(frame[column])
    values[rng.integers(len(values))] = value
    kinds = {type(each) for each in values if each is not None}
    # A Parquet column holds one type: mixed values become text, as a careless export would write them.
    mixed = len(kinds - {int, float, np.int64, np.float64}) > 0 and len(kinds) > 1
    return frame.assign(**{column: [None if each is None else str(each) for each in values] if mixed else values})


def a_null(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return _with_cell(frame, rng, None)


def a_number(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return _with_cell(frame, rng, NUMBERS[rng.integers(len(NUMBERS))])


def an_id(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return _with_cell(frame, rng, IDS[rng.integers(len(IDS))])


def an_id_everywhere(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    texts = [column for column in frame.columns if frame[column].dtype == object and len(frame)]
    if not texts:
        return frame
    column = texts[rng.integers(len(texts))]
    old, new = repr(frame[column].iloc[rng.integers(len(frame))]), IDS[rng.integers(len(IDS))]
    return frame.assign(**{column: [new if repr(each) == old else each for each in frame[column]]})


def another_type(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    if not len(frame.columns):
        return frame
    column = _column(frame, rng)
    made = ("str", "float64", "float32", "int8", "bool", "datetime64[ns]", "list")[rng.integers(7)]
    try:
        values = frame[column].map(lambda each: [each]) if made == "list" else frame[column].astype(made)
    except (ValueError, TypeError, OverflowError):
        return frame
    return frame.assign(**{column: values})


def no_row(frame: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[:0]


def one_row(frame: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[:1]


def some_rows_twice(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return pd.concat([frame, frame.sample(min(2, len(frame)), random_state=int(rng.integers(1000)))], ignore_index=True)


def other_order(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = frame.sample(frac=1, random_state=int(rng.integers(1000))).reset_index(drop=True)
    return rows[list(rng.permutation(list(rows.columns)))]


def a_column_more(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame.assign(**{("reason", "split", "größe", "a b", "user_features")[rng.integers(5)]: 1.5})


def a_column_less(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame.drop(columns=_column(frame, rng)) if len(frame.columns) > 1 else frame


def another_name(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    old = _column(frame, rng)
    return frame.rename(columns={old: (old.upper(), f" {old}", f"{old}`", "x")[rng.integers(4)]})


MUTATIONS: tuple[Mutation, ...] = (
    a_null, a_number, an_id, an_id_everywhere, another_type, no_row, one_row, some_rows_twice, other_order,
    a_column_more, a_column_less, another_name,
)  # fmt: skip


def mutated(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The frame after one to three mutations."""
    for _ in range(rng.integers(1, 4)):
        frame = MUTATIONS[rng.integers(len(MUTATIONS))](frame, rng)
    return frame


def write(frame: pd.DataFrame, place: Path, rng: np.random.Generator) -> None:
    """Writes CSV, which alone can name two columns alike, or Parquet. What Arrow cannot write becomes text."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if rng.random() < 0.3 or frame.columns.has_duplicates:
        frame.to_csv(place, index=False)
        return
    try:
        frame.to_parquet(place, index=False, coerce_timestamps="us", allow_truncated_timestamps=True)
    except (ValueError, TypeError, OverflowError):
        frame.astype(str).to_parquet(place, index=False)
