"""The differences of two folders of `small_runs`, each named by its file and place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import feather
from safetensors.numpy import load_file

# Seconds, and what names the time or the code version of a file.
# `waited` is in seconds; `files` is of the names of the files that were read, which Spark draws anew in each run.
NOT_OF_THE_RESULT = frozenset({"seconds", "waited", "files", "created", "created_at", "version", "ptofa_version"})
_LISTED = 5  # differences of one file


def differences(one: Path, other: Path, without: frozenset[str] = frozenset()) -> list[str]:
    """A line for each difference; none if every table, JSON file, weight and exit code is the same bit for bit.

    without: names of files that are not compared.
    """
    files = [
        {str(path.relative_to(root)) for path in _results(root) if path.name not in without} for root in (one, other)
    ]
    found = [f"{file}: only {'before' if file in files[0] else 'now'}" for file in sorted(files[0] ^ files[1])]
    for file in sorted(files[0] & files[1]):
        lines = list(_of_file(one / file, other / file))
        found += [f"{file}: {line}" for line in lines[:_LISTED]]
        if len(lines) > _LISTED:
            found.append(f"{file}: and {len(lines) - _LISTED} further places")
    return found


def _results(root: Path) -> Iterator[Path]:
    yield root / "exit_codes.json"
    yield from root.glob("tables/**/*.arrow")
    for path in root.rglob("*"):
        in_a_table = any((folder / "_delta_log").is_dir() for folder in path.parents if folder != root)
        if not in_a_table and (path.name in _JSON_FILES or path.suffix == ".safetensors"):
            yield path


# A refactoring may improve the words of infeasible.json.
_JSON_FILES = frozenset(
    {"plan.json", "allocation.json", "prices.json", "what_if.json", "evaluation.json", "model.json", "metrics.json"}
)


def _of_file(one: Path, other: Path) -> Iterator[str]:
    if one.suffix == ".arrow":
        yield from _of_tables(feather.read_table(one), feather.read_table(other))
    elif one.suffix == ".safetensors":
        yield from _of_weights(load_file(one), load_file(other))
    else:
        yield from _of_json("", json.loads(one.read_text()), json.loads(other.read_text()))


def _of_tables(one: pa.Table, other: pa.Table) -> Iterator[str]:
    if one.schema != other.schema:
        columns = [{f"{each.name} {each.type}" for each in table.schema} for table in (one, other)]
        yield f"columns before {sorted(columns[0] - columns[1])}, now {sorted(columns[1] - columns[0])}"
        return
    if one.num_rows != other.num_rows:
        yield f"{one.num_rows} rows before, {other.num_rows} now"
        return
    for name in one.column_names:
        left, right = (_bits(table.column(name)) for table in (one, other))
        differing = np.flatnonzero([a != b for a, b in zip(left, right, strict=True)])
        for row in differing[:_LISTED]:
            place = ", ".join(f"{key}={one.column(key)[row].as_py()!r}" for key in one.column_names[:3])
            yield (
                f"row {row} ({place}), column {name}: {one.column(name)[row].as_py()!r} before, "
                f"{other.column(name)[row].as_py()!r} now"
            )


def _bits(column: pa.ChunkedArray) -> list[Any]:
    """The values so that they are equal only if their bits are: -0.0 is not 0.0, and nan is nan."""
    if pa.types.is_float64(column.type):
        whole = column.combine_chunks()
        bits = np.asarray(whole.fill_null(0.0)).view(np.int64).tolist()
        return [None if null else bit for null, bit in zip(whole.is_null().to_pylist(), bits, strict=True)]
    return [repr(value) for value in column.to_pylist()]


def _of_weights(one: dict[str, npt.NDArray[Any]], other: dict[str, npt.NDArray[Any]]) -> Iterator[str]:
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            yield f"weight {name}: only {'before' if name in one else 'now'}"
        elif one[name].shape != other[name].shape or one[name].dtype != other[name].dtype:
            shapes = [f"{weights[name].dtype}{weights[name].shape}" for weights in (one, other)]
            yield f"weight {name}: {shapes[0]} before, {shapes[1]} now"
        elif one[name].tobytes() != other[name].tobytes():
            left, right = one[name].ravel(), other[name].ravel()
            first = int(np.flatnonzero((left != right) | (np.signbit(left) != np.signbit(right)))[0])
            yield f"weight {name}, number {first}: {left[first]!s} before, {right[first]!s} now"


def _of_json(place: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key in NOT_OF_THE_RESULT:
                continue
            inner = f"{place}.{key}" if place else str(key)
            if key not in one or key not in other:
                yield f"{inner}: only {'before' if key in one else 'now'}"
            else:
                yield from _of_json(inner, one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{place}: {len(one)} entries before, {len(other)} now"
        for number, (left, right) in enumerate(zip(one, other, strict=False)):
            yield from _of_json(f"{place}[{number}]", left, right)
    elif repr(one) != repr(other):
        yield f"{place}: {one!r} before, {other!r} now"
