"""Predicts logged exposures, so that the evaluation can compare them with the known outcomes."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.errors import MissingColumnError
from ptofa_spark.scoring.udf import PREDICTION, prediction_udf
from ptofa_spark.tables.names import quoted
from ptofa_spark.training.artifact import read_artifact, unpack


def predict_examples(examples: DataFrame, model_dir: str) -> DataFrame:
    """Adds the columns p_c, mu, sigma, predicted_log10 and predicted_revenue, null if the model has no such head.

    predicted_log10 is the mean of log10(1 + revenue) per exposure, p_c * mu / ln 10. predicted_revenue is E per
    exposure, in the unit that the model declares.

    Raises:
        UserError: no trained model in `model_dir`.
        MissingColumnError: the examples lack a feature that the model was trained on.
    """
    artifact = read_artifact(model_dir)
    columns = unpack(artifact).encoding.columns
    missing = [column for column in columns if column not in examples.columns]
    if missing:
        raise MissingColumnError("examples", missing, examples.columns)
    predict = prediction_udf(examples.sparkSession.sparkContext.broadcast(artifact))
    predicted = examples.withColumn("_prediction", predict(F.struct(*[quoted(name) for name in columns])))
    return predicted.select(
        *[quoted(name) for name in examples.columns], *[F.col(f"_prediction.{name}") for name in PREDICTION.names]
    )
