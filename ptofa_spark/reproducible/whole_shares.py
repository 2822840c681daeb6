"""Divides a total into whole numbers in proportion to weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ptofa_spark.arrays import Ints


def largest_remainder(weights: Ints | Sequence[int], total: int) -> Ints:
    """Divides the total in proportion to the weights by the method of the largest remainder; ties go to earlier parts.

    Uses whole numbers only, so it is exact at any size.

    Args:
        weights: (parts,), none negative; all 0 only if the total is 0.
        total: not negative.

    Returns:
        (parts,), which add up to the total.

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
    for part in sorted(range(len(products)), key=lambda each: (-remainders[each], each))[:left]:
        parts[part] += 1
    return parts
