"""Which funds a user may see: risk_level <= risk_tolerance (C3) and a score for the pair. Equal sets are one class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptofa_spark.allocation.problem.problem import Classes
from ptofa_spark.arrays import Bools, Floats, Ints


def eligible_pairs(risk_tolerance: Ints, risk_levels: Ints, expected_revenue: Floats) -> Bools:
    """Whether each pair may be allocated (C3; paper, section 2): (users, funds).

    Args:
        risk_tolerance: (users,).
        risk_levels: (funds,).
        expected_revenue: (users, funds), NaN where the score is absent.
    """
    allowed: Bools = (risk_tolerance[:, None] >= risk_levels[None, :]) & ~np.isnan(expected_revenue)
    return allowed


def set_keys(eligible: Bools) -> NDArray[np.void]:
    """One comparable value for each row of (users, funds): the bits of its set. (users,)."""
    bits = np.ascontiguousarray(np.packbits(eligible, axis=1))
    return bits.view(np.dtype((np.void, bits.shape[1]))).ravel()


def class_index(eligible: Bools, classes: Classes) -> Ints:
    """The class of each user, by looking the row of (users, funds) up among the classes: (users,).

    Raises:
        KeyError: a set is of no class; the classes were not made from these users.
    """
    known = {key.tobytes(): index for index, key in enumerate(set_keys(classes.eligible))}
    keys, inverse = np.unique(set_keys(eligible), return_inverse=True)
    return np.array([known[key.tobytes()] for key in keys], dtype=np.int64)[inverse]
