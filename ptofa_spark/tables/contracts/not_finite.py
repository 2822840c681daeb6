"""Whether an array column holds what is no number to calculate with."""

from __future__ import annotations

import math
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F


def holds_not_finite(numbers: str, *, null: bool) -> Column:
    """Whether an array<double> holds NaN or an infinity; `null` is the answer for one that holds or is null instead.

    By `array_contains`, whose answer is null where nothing was found but a null seen: Spark compiles it, a lambda over
    the elements it interprets.
    """
    found = [F.coalesce(F.array_contains(numbers, each), F.lit(null)) for each in (math.nan, math.inf, -math.inf)]
    return reduce(or_, found)
