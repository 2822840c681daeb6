"""Breaks ties between users by a nudge of their expected revenue, a pure function of user, fund and seed.

Where millions of users are equal, no price tells them apart: each is as good a taker as the next, and the prices of an
optimum leave all of them undecided. A nudge far below the money that matters orders them, the same way for any
partitioning. The objective, the audit and the certificate know nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.reproducible.hashing import bits, stream


@dataclass(frozen=True)
class Nudge:
    """size: money, the largest nudge; 0 for none."""

    size: float
    seed: int

    def of(self, user_id: Ints, funds: int) -> Floats:
        """The nudges of users (users,): (users, funds), money, from 0 up to `size`."""
        if self.size == 0.0:
            return np.zeros((len(user_id), funds))
        user = bits(stream(self.seed, "nudge", "user"), user_id)
        odd = bits(stream(self.seed, "nudge", "fund"), np.arange(funds)) | np.uint64(1)
        turned = (user[:, None] * odd[None, :]) >> np.uint64(12)
        return turned.astype(np.float64) * (self.size * 2.0**-52)


NO_NUDGE = Nudge(0.0, 0)
