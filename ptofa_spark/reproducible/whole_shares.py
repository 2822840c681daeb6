"""A total shared out in whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ptofa_spark.arrays import Ints


def largest_remainder(weights: Ints | Sequence[int], total: int) -> Ints:
    """Whole numbers in proportion to the weights that add up to the total; ties go to the earlier one.

    Computed in whole numbers, so that it is exact at any size.

    Args:
        weights: (parts,), none below 0; all of them 0 only if the total is.
        total: not below 0.

    Returns:
        (parts,), in the total's unit.

    >>> largest_remainder([3, 2, 2], 10).tolist()
    [4, 3, 3]
    >>> largest_remainder([1, 1, 1], 4).tolist()
    [2, 1, 1]
    >>> largest_remainder([0, 0], 0).tolist()
    [0, 0]
    """
    whole = max(sum(int(weight) for weight in weights), 1)
    products = [int(weight) * total for weight in weights]
    parts = np.array([product // whole for product in products], dtype=np.int64)
    remainders = [product % whole for product in products]
    left = total - int(parts.sum())
    for place in sorted(range(len(products)), key=lambda at: (-remainders[at], at))[:left]:
        parts[place] += 1
    return parts
