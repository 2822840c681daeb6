"""The model's predictions for the test exposures, their outcomes, and the truth if it is known."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.arrays import Floats
from ptofa_spark.errors import TableError
from ptofa_spark.evaluation.predictions.metrics import Outcomes, Predicted
from ptofa_spark.evaluation.truth.oracle import ORACLE
from ptofa_spark.evaluation.truth.true_worth import KEY, TRUE, TrueWorth, known
from ptofa_spark.models.build import model_of
from ptofa_spark.scoring.pairs import predict_examples

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestSet:
    """The test exposures on the driver, sorted by key. oracle: the truth's predictions, None without a truth."""

    outcomes: Outcomes
    model: Predicted
    oracle: Predicted | None


def test_set(tested: DataFrame, model_dir: str, model: str, truth: DataFrame | None, max_rows: int) -> TestSet:
    """The test exposures, as in `predictions_and_worths`, without allocations."""
    return predictions_and_worths(tested, model_dir, model, truth, max_rows, {})[0]


def predictions_and_worths(
    tested: DataFrame,
    model_dir: str,
    model: str,
    truth: DataFrame | None,
    max_rows: int,
    allocations: Mapping[str, DataFrame],
) -> tuple[TestSet, dict[str, TrueWorth]]:
    """Predicts the test exposures. If there are more than `max_rows`, a hash of the user chooses a sample of users.

    Beside them stands what the allocations are worth under the truth, without one nothing.

    Args:
        tested: rows of `examples` of the test split.
        model_dir: folder of the trained model.
        model: its name, in the registry and in the tables.
        truth: rows of `truth`, None if it is unknown.
        max_rows: maximum number of exposures on the driver.
        allocations: by name; user_id and fund_id, one row per exposure.

    Raises:
        TableError: there is no test exposure, or a pair of an allocation has no truth.
        UserError: no trained model in `model_dir`.
    """
    count = tested.count()
    if count == 0:
        raise TableError("table examples has no row of split 'test': raise test_share, or add one more campaign")
    if count > max_rows:
        share = max_rows / count
        logger.info("test_exposures=%d sampled_share=%.4f", count, share)
        tested = tested.where(F.pmod(F.xxhash64("user_id"), F.lit(1_000_000)) < int(share * 1_000_000))
    # Sorted here: a sort by Spark would predict twice, first to find the ranges of its partitions.
    predicted = predict_examples(tested, model_dir)
    columns = (*KEY, "conversion", "revenue", "p_c", "predicted_log10", "predicted_revenue")
    table = predicted.select(*columns).toArrow().sort_by([(name, "ascending") for name in KEY])
    arrays, worths = {name: _floats(table, name) for name in table.column_names if name not in KEY}, {}
    oracle = None
    if truth is not None:
        truly = known(tested, allocations, truth)
        worths = truly.worths
        # The same exposures in the same order.
        p_c, log10, revenue = (_floats(truly.exposures, name) for name in TRUE)
        oracle = Predicted(ORACLE, p_c, log10, revenue)
    _, user = np.unique(table["user_id"].to_numpy(), return_inverse=True)
    fund = table["fund_id"].combine_chunks().dictionary_encode()
    funds = tuple(fund.dictionary.to_pylist())
    declared = model_of(model)
    said_p_c = arrays["p_c"] if "p_c" in declared.heads else None
    said_log10 = arrays["predicted_log10"] if "log10_revenue" in declared.heads else None
    outcomes = Outcomes(arrays["conversion"], arrays["revenue"], user, fund.indices.to_numpy().astype(np.int64), funds)
    said = Predicted(model, said_p_c, said_log10, arrays["predicted_revenue"], declared.unit)
    return TestSet(outcomes, said, oracle), worths


def _floats(table: pa.Table, name: str) -> Floats:
    values: Floats = table[name].to_numpy().astype(np.float64, copy=False)
    return values
