"""95 % intervals by a bootstrap over users. In a resample, all exposures of a user get one Poisson weight of mean 1.

These weights replace draws with replacement. So every resample is a weighted sum over the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Floats

_PERCENTILES = (2.5, 97.5)
# Maximum number of weights in memory at once: a quarter of a GiB.
_HELD = 2**25


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % percentile interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:,.2f} [{self.low:,.2f}, {self.high:,.2f}]"


def user_weights(users: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yields the users' weights, (some, users): each time those of as many resamples as the memory bound allows."""
    rng = np.random.default_rng(seed)
    some = max(1, min(25, _HELD // max(1, users)))
    for start in range(0, resamples, some):
        yield rng.poisson(1.0, (min(some, resamples - start), users)).astype(np.float64)


def percentiles(resampled: Floats) -> tuple[Floats, Floats]:
    """The ends of the 95 % interval of each column of (resamples, figures), each (figures,). NaN values are ignored."""
    low, high = np.nanpercentile(resampled, _PERCENTILES, axis=0)
    return low, high
