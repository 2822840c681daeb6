"""The model's predictions for the test exposures, their outcomes, and the truth if it is known."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.arrays import Floats
from ptofa_spark.errors import TableError
from ptofa_spark.evaluation.predictions.metrics import Outcomes, Predicted
from ptofa_spark.evaluation.truth.oracle import ORACLE, true_revenue
from ptofa_spark.models.build import model_of
from ptofa_spark.scoring.pairs import predict_examples

logger = logging.getLogger(__name__)
_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class TestSet:
    """The test exposures on the driver, sorted by key. oracle: the truth's predictions, None without a truth."""

    outcomes: Outcomes
    model: Predicted
    oracle: Predicted | None


def test_set(tested: DataFrame, model_dir: str, model: str, truth: DataFrame | None, max_rows: int) -> TestSet:
    """Predicts the test exposures. If there are more than `max_rows`, a hash of the user chooses a sample of users.

    Args:
        tested: rows of `examples` of the test split.
        model_dir: folder of the trained model.
        model: its name, in the registry and in the tables.
        truth: rows of `truth`, None if it is unknown.
        max_rows: maximum number of exposures on the driver.

    Raises:
        TableError: there is no test exposure.
        UserError: no trained model in `model_dir`.
    """
    count = tested.count()
    if count == 0:
        raise TableError("table examples has no row of split 'test': raise test_share, or add one more campaign")
    if count > max_rows:
        share = max_rows / count
        logger.info("test_exposures=%d sampled_share=%.4f", count, share)
        tested = tested.where(F.pmod(F.xxhash64("user_id"), F.lit(1_000_000)) < int(share * 1_000_000))
    predicted = predict_examples(tested, model_dir)
    columns = ["campaign_id", "user_id", "fund_id", "conversion", "revenue", "p_c", "predicted_log10"]
    rows = predicted.select(*columns, "predicted_revenue")
    if truth is not None:
        true = truth.select(
            "user_id",
            "fund_id",
            F.col("p_c").alias("true_p_c"),
            (F.col("p_c") * F.col("mu") / _LN10).alias("true_log10"),
            true_revenue().alias("true_revenue"),
        )
        rows = rows.join(true, on=["user_id", "fund_id"], how="left")
    table = rows.orderBy("campaign_id", "user_id", "fund_id").drop("campaign_id").toArrow()
    _, user = np.unique(table["user_id"].to_numpy(), return_inverse=True)
    fund = table["fund_id"].combine_chunks().dictionary_encode()
    arrays: dict[str, Floats] = {
        name: table[name].to_numpy().astype(np.float64, copy=False)
        for name in table.column_names
        if name not in ("user_id", "fund_id")
    }
    funds = tuple(fund.dictionary.to_pylist())
    declared = model_of(model)
    p_c = arrays["p_c"] if "p_c" in declared.heads else None
    log10 = arrays["predicted_log10"] if "log10_revenue" in declared.heads else None
    return TestSet(
        Outcomes(arrays["conversion"], arrays["revenue"], user, fund.indices.to_numpy().astype(np.int64), funds),
        Predicted(model, p_c, log10, arrays["predicted_revenue"], declared.unit),
        None if truth is None else Predicted(ORACLE, arrays["true_p_c"], arrays["true_log10"], arrays["true_revenue"]),
    )
