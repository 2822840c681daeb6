"""The pandas UDFs that carry a model to the data; the model's bytes travel by broadcast, no executor opens a path."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from pyspark import Broadcast
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import DoubleType, StructField, StructType

from ptofa_spark.scoring.scorer import CampaignFunds, loaded, predict_rows, score_users
from ptofa_spark.training.artifact import Artifact

ColumnFunction = Callable[..., Column]
# What `prediction_udf` gives: probability of conversion, mean and deviation of log revenue of a conversion, mean of
# log10(1 + revenue) and of revenue per exposure. No column comments: Spark compares them with the worker's schema.
_NAMES = ("p_c", "mu", "sigma", "predicted_log10", "predicted_revenue")
PREDICTION = StructType([StructField(name, DoubleType(), True) for name in _NAMES])
# Where each predicted column stands in `Prediction`.
_FIELDS = {
    "p_c": "p_c",
    "mu": "mu",
    "sigma": "sigma",
    "predicted_log10": "log10_revenue",
    "predicted_revenue": "expected_revenue",
}


def expected_revenue_udf(artifact: Broadcast[Artifact], funds: Broadcast[CampaignFunds]) -> ColumnFunction:
    """A pandas UDF of one struct a user to array<double>, E by fund.

    The struct holds the `u_` columns and those of `CampaignPairs.columns`, and is a column of the frame: Spark plans a
    copy of it a fund, and merges them at the end.
    An iterator: its body runs once a partition, not once a batch.
    The scores leave the worker as a number per fund: an array would cross as one Python list per user, which takes a
    third as long as the network.
    """
    names = [f"fund_{place}" for place in range(len(funds.value.columns))]

    def scores(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        model, campaign = loaded(artifact.value), funds.value
        for users in batches:
            yield pd.DataFrame(score_users(model, campaign, users), columns=names, index=users.index)

    by_fund = StructType([StructField(name, DoubleType(), True) for name in names])
    scored = pandas_udf(scores, returnType=by_fund)  # type: ignore[call-overload]

    def expected_revenue(features: Column) -> Column:
        one_a_fund = scored(features)
        return F.array(*[one_a_fund[name] for name in names])

    return expected_revenue


def prediction_udf(artifact: Broadcast[Artifact]) -> ColumnFunction:
    """A pandas UDF of one struct an example, its `u_`, `f_` and `p_` columns, to the struct PREDICTION."""

    def predictions(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        model = loaded(artifact.value)
        for examples in batches:
            prediction = predict_rows(model, examples)
            found = {column: getattr(prediction, field) for column, field in _FIELDS.items()}
            yield pd.DataFrame(
                {column: np.nan if values is None else values.numpy() for column, values in found.items()},
                index=examples.index,
            )

    return pandas_udf(predictions, returnType=PREDICTION)  # type: ignore[call-overload, no-any-return]
