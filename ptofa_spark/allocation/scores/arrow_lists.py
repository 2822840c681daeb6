"""Matrices as Arrow columns of lists, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def lists(matrix: NDArray[np.generic], *, nan_as_null: bool = False) -> pa.Array:
    """A (rows, width) matrix as a column of lists. nan_as_null: NaN becomes null."""
    offsets = np.arange(0, matrix.size + 1, max(matrix.shape[1], 1), dtype=np.int32)[: len(matrix) + 1]
    values = pa.array(np.ascontiguousarray(matrix).ravel(), from_pandas=nan_as_null)
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def list_matrix(column: pa.ChunkedArray, width: int | None = None) -> Any:
    """A column of lists of one length as a (rows, width) matrix. width: needed where there may be no row."""
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), values.size // max(len(column), 1) if width is None else width)
