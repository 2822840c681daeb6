"""pandas UDFs that apply a model. Its bytes are broadcast, so that executors need no access to its files."""

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
UdfOfCampaign = Callable[[Broadcast[Artifact], Broadcast[CampaignFunds]], ColumnFunction]
# Result of `prediction_udf`: probability of conversion, mean and standard deviation of the log revenue of a conversion,
# mean of log10(1 + revenue) and of revenue per exposure. No column comments, which the worker's schema does not have.
_NAMES = ("p_c", "mu", "sigma", "predicted_log10", "predicted_revenue")
PREDICTION = StructType([StructField(name, DoubleType(), True) for name in _NAMES])
# Column name to field of `Prediction`.
_FIELDS = {
    "p_c": "p_c",
    "mu": "mu",
    "sigma": "sigma",
    "predicted_log10": "log10_revenue",
    "predicted_revenue": "expected_revenue",
}


def expected_revenue_udf(artifact: Broadcast[Artifact], funds: Broadcast[CampaignFunds]) -> ColumnFunction:
    """A pandas UDF from one struct per user to array<double>, the expected revenue by fund.

    The struct has the `u_` columns and those of `CampaignPairs.columns`. It must be a column of the frame: Spark plans
    one copy of it per fund, and merges them at the end. The UDF is an iterator, whose body runs once per partition and
    not once per batch. The worker returns one number per fund: an array would be sent as one Python list per user,
    which takes a third as long as the network.
    """
    names = [f"fund_{number}" for number in range(len(funds.value.columns))]

    def scores(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        model, campaign = loaded(artifact.value), funds.value
        for users in batches:
            yield pd.DataFrame(score_users(model, campaign, users), columns=names, index=users.index)

    fund_fields = StructType([StructField(name, DoubleType(), True) for name in names])
    scored = pandas_udf(scores, returnType=fund_fields)  # type: ignore[call-overload]

    def expected_revenue(features: Column) -> Column:
        by_fund = scored(features)
        return F.array(*[by_fund[name] for name in names])

    return expected_revenue


def prediction_udf(artifact: Broadcast[Artifact]) -> ColumnFunction:
    """A pandas UDF from one struct per example, with `u_`, `f_` and `p_` columns, to the struct PREDICTION."""

    def predictions(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        model = loaded(artifact.value)
        for examples in batches:
            prediction = predict_rows(model, examples)
            predicted = {column: getattr(prediction, field) for column, field in _FIELDS.items()}
            yield pd.DataFrame(
                {column: np.nan if values is None else values.numpy() for column, values in predicted.items()},
                index=examples.index,
            )

    return pandas_udf(predictions, returnType=PREDICTION)  # type: ignore[call-overload, no-any-return]
