"""Splits users into training, validation and test: a pure function of the user's id and a seed."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_BUCKETS = 10_000


def user_split(user_id: Column, seed: int, test_share: float, validation_share: float) -> Column:
    """`train`, `validation` or `test` by a hash of the user's id.

    Args:
        user_id: the bigint column.
        seed: chooses the split.
        test_share: share of the users in the test split, 0..1.
        validation_share: share of the *other* users in the validation split, 0..1 (the paper: 0.1).
    """
    bucket = F.pmod(F.xxhash64(F.lit("split"), F.lit(seed), user_id), F.lit(_BUCKETS))
    test = round(test_share * _BUCKETS)
    validation = test + round(validation_share * (_BUCKETS - test))
    return F.when(bucket < test, TEST).when(bucket < validation, VALIDATION).otherwise(TRAIN)
