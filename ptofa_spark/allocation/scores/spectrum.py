"""How large the expected revenues of a campaign are: counts, least and most by sign and power of two."""

from __future__ import annotations

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


class SpectrumSum:
    """The spectrum of revenues that come in parts, in any order."""

    def __init__(self) -> None:
        self._pairs = np.zeros(_PLACES, dtype=np.int64)
        self._least, self._most = np.full(_PLACES, np.inf), np.full(_PLACES, -np.inf)

    def add(self, expected_revenue: Floats) -> None:
        """Adds expected revenues of any shape, money; NaN (not eligible) is left out."""
        values = expected_revenue[~np.isnan(expected_revenue)]
        _, exponent = np.frexp(values)
        place = np.where(values == 0.0, 0, 2 * (exponent.astype(np.int64) + _EXPONENT_ZERO) + (values < 0.0))
        np.minimum.at(self._least, place, values)
        np.maximum.at(self._most, place, values)
        self._pairs += np.bincount(place, minlength=_PLACES)

    def merge(self, part: Spectrum) -> None:
        """Adds a spectrum, whose bins may stand there several times."""
        np.minimum.at(self._least, part.bins, part.least)
        np.maximum.at(self._most, part.bins, part.most)
        np.add.at(self._pairs, part.bins, part.pairs)

    def total(self) -> Spectrum:
        """The spectrum of all that was added."""
        bins = np.flatnonzero(self._pairs)
        return Spectrum(bins, self._pairs[bins], self._least[bins] + 0.0, self._most[bins] + 0.0)


def spectrum(expected_revenue: Floats) -> Spectrum:
    """The spectrum of expected revenues of any shape, money; NaN (not eligible) is left out.

    >>> found = spectrum(np.array([[1.0, 1.5, np.nan], [-1e9, 0.0, -1e9]]))
    >>> found.pairs.tolist(), found.least.tolist(), found.most.tolist()
    ([1, 2, 2], [0.0, 1.0, -1000000000.0], [0.0, 1.5, -1000000000.0])
    """
    found = SpectrumSum()
    found.add(expected_revenue)
    return found.total()
