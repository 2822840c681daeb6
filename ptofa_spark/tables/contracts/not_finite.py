"""Whether an array column contains NaN or an infinity."""

from __future__ import annotations

import math
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F


def holds_not_finite(numbers: str, *, null: bool) -> Column:
    """Whether an array<double> contains NaN or an infinity. null: the result if it is null or contains null instead.

    Uses `array_contains`, which Spark compiles, while it interprets a lambda over the elements. `array_contains`
    returns null if the array has a null and not the value.
    """
    contained = [F.coalesce(F.array_contains(numbers, each), F.lit(null)) for each in (math.nan, math.inf, -math.inf)]
    return reduce(or_, contained)
