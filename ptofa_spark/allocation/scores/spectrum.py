"""How large the expected revenues of a campaign are: counts, least and most by sign and power of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Floats, Ints

# np.frexp gives exponents from -1073 (denormal numbers) to 1024: 1,100 more makes each of them a place in an array.
_EXPONENT_ZERO = 1_100
_PLACES = 2 * (_EXPONENT_ZERO + 1_025)


@dataclass(frozen=True)
class Spectrum:
    """Eligible pairs by bins, sorted by bin. A bin holds revenues of one sign whose size has one binary exponent.

    bins: (bins,), 2 * (exponent + 1,100), and 1 more below zero; place 0 holds the zeros. pairs: (bins,), how many;
    least, most: (bins,), lowest and highest expected revenue in it, money.
    """

    bins: Ints
    pairs: Ints
    least: Floats
    most: Floats


def spectrum(expected_revenue: Floats) -> Spectrum:
    """The spectrum of expected revenues of any shape, money; NaN (not eligible) is left out.

    >>> found = spectrum(np.array([[1.0, 1.5, np.nan], [-1e9, 0.0, -1e9]]))
    >>> found.pairs.tolist(), found.least.tolist(), found.most.tolist()
    ([1, 2, 2], [0.0, 1.0, -1000000000.0], [0.0, 1.5, -1000000000.0])
    """
    values = expected_revenue[~np.isnan(expected_revenue)]
    _, exponent = np.frexp(values)
    place = np.where(values == 0.0, 0, 2 * (exponent.astype(np.int64) + _EXPONENT_ZERO) + (values < 0.0))
    least, most = np.full(_PLACES, np.inf), np.full(_PLACES, -np.inf)
    np.minimum.at(least, place, values)
    np.maximum.at(most, place, values)
    pairs = np.bincount(place, minlength=_PLACES)
    bins = np.flatnonzero(pairs)
    return Spectrum(bins, pairs[bins], least[bins] + 0.0, most[bins] + 0.0)


def merged(parts: Sequence[tuple[int, int, float, float]]) -> Spectrum:
    """One spectrum of rows (bin, pairs, least, most), each bin once and in any order."""
    rows = sorted(parts)
    return Spectrum(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.array([row[3] for row in rows], dtype=np.float64),
    )
