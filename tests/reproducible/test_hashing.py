"""Random numbers by key, from SplitMix64: the same whatever keys are drawn with them."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ptofa_spark.reproducible.hashing import bits, normal, stream, uniform

_MASK = (1 << 64) - 1


def splitmix64(state: int, outputs: int) -> list[int]:
    """The published generator, in plain Python integers."""
    found = []
    for _ in range(outputs):
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        found.append(z ^ (z >> 31))
    return found


def test_bits_are_splitmix64_of_the_stream():
    assert bits(1234567, np.arange(5)).tolist() == splitmix64(1234567, 5)
    # Vigna's published numbers for this seed check the plain Python above.
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]


def test_a_second_part_of_a_key_starts_another_stream():
    (first,) = splitmix64(99, 1)
    assert bits(99, 0, np.arange(3)).tolist() == splitmix64(first, 3)


def test_uniform_numbers_have_their_distribution():
    assert stats.kstest(uniform(stream(3, "test"), np.arange(20_000)), "uniform").pvalue > 0.001


def test_normal_numbers_have_their_distribution():
    start = stream(3, "test")
    assert stats.kstest(normal(start, np.arange(20_000), 5), "norm").pvalue > 0.001
    assert np.isfinite(normal(start, np.arange(20_000))).all()


def test_two_streams_are_unrelated():
    key = np.arange(20_000)
    here = uniform(stream(1, "users", "age"), key)
    for other in (stream(2, "users", "age"), stream(1, "users", "income"), stream(1, "funds", "age")):
        assert abs(np.corrcoef(here, uniform(other, key))[0, 1]) < 0.03


def test_a_value_does_not_depend_on_the_batch_it_is_in():
    start, key = stream(1, "users"), np.arange(1_000)
    alone = np.concatenate([normal(start, key[i : i + 1], 7) for i in range(1_000)])
    assert (alone == normal(start, key, 7)).all()
