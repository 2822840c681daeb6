"""Random numbers as a pure function of seed, table, column and key. No state depends on the order of rows.

The bits are output number `key` of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
2014). The seed and the names choose the stream. Only elementwise integer arithmetic is used, so a value does not depend
on the batch, the partition or the machine.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ptofa_spark.arrays import Floats

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def stream(seed: int, *names: str) -> int:
    """The 64-bit start of the stream for a seed and names such as `("users", "age")`."""
    text = "/".join([str(seed), *names])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def bits(start: int, *keys: NDArray[np.int64] | int) -> NDArray[np.uint64]:
    """64 random bits for each key.

    Args:
        start: a stream.
        keys: the parts of the key, integers whose shapes broadcast; a single part k gives the stream's k-th output.

    Returns:
        An array of the keys' common shape.

    A key's bits do not depend on its batch:

    >>> start = stream(7, "users", "age")
    >>> whole, part = bits(start, np.arange(5)), bits(start, np.array([3]))
    >>> bool(whole[3] == part[0])
    True
    """
    state = np.full(1, start, dtype=np.uint64)
    for key in keys:
        number = np.atleast_1d(np.asarray(key)).astype(np.uint64) + np.uint64(1)
        state = _mixed(state + number * _GOLDEN)
    return state


def uniform(start: int, *keys: NDArray[np.int64] | int) -> Floats:
    """A uniform number in the open interval (0, 1) for each key, with 52 random bits."""
    return ((bits(start, *keys) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normal(start: int, *keys: NDArray[np.int64] | int) -> Floats:
    """A standard normal number for each key, by the inverse distribution function."""
    values: Floats = ndtri(uniform(start, *keys))
    return values


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
