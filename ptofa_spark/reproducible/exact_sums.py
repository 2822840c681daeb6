"""Sums of floats that do not depend on the order of their terms, and so not on partitions.

A float sum rounds after each term, so its last bits depend on the order. Here each term is first rounded to a grid: the
multiples of a power of two that leaves 61 bits for the sum. The multiples are added as whole numbers, which is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

_SUM_BITS = 61
# 2^1000 is a float, 2^1100 is not: larger exponents are applied in two steps.
_ONE_STEP = 1000


def grid_exponents(largest: NDArray[np.float64], terms: int) -> NDArray[np.int64]:
    """Exponents s such that the sum of rint(x * 2^s) fits into an int64.

    Args:
        largest: (sums,), largest |x| of each sum.
        terms: maximal number of terms.

    Returns:
        (sums,), whole numbers, for `on_grid` and `off_grid`.

    A sum of floats depends on their order; a sum on the grid does not:

    >>> terms = np.array([0.1, 0.2, 0.3])
    >>> bool(sum(terms) == sum(terms[::-1]))
    False
    >>> exponents = grid_exponents(largest=np.array([0.3]), terms=3)
    >>> [off_grid(on_grid(x, exponents).sum(keepdims=True), exponents).tolist() for x in (terms, terms[::-1])]
    [[0.6], [0.6]]
    """
    _, exponent = np.frexp(largest)
    grid = _SUM_BITS - int(terms).bit_length() - exponent.astype(np.int64)
    return np.where(largest > 0, grid, 0)


def on_grid(values: NDArray[np.float64], exponents: Any) -> NDArray[np.int64]:
    """The terms in whole grid units. values and exponents broadcast."""
    units: NDArray[np.int64] = np.rint(np.ldexp(values, exponents)).astype(np.int64)
    return units


def off_grid(units: NDArray[np.int64], exponents: NDArray[np.int64]) -> NDArray[np.float64]:
    """Converts sums in grid units to floats. units and exponents broadcast."""
    return np.ldexp(units.astype(np.float64), -exponents)


def sum_on_grid(value: Column, exponent: int) -> Column:
    """The sum of a Spark column in grid units, bigint. Nulls are ignored; 0 if there are no values."""
    first = min(int(exponent), _ONE_STEP)
    scaled = value * F.lit(2.0**first)
    if first < exponent:
        scaled = scaled * F.lit(2.0 ** (int(exponent) - first))
    return F.coalesce(F.sum(F.rint(scaled).cast("bigint")), F.lit(0).cast("bigint"))
