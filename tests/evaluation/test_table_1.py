"""Table 1 on a small platform: every figure from a training, an optimal allocation, and the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ptofa_spark.errors import ConfigError
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.evaluation.table_1 import table_1
from ptofa_spark.features.build import build_features
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.simulator.platform import generate_platform
from ptofa_spark.simulator.settings import GeneratePlatformSettings


def test_models_are_judged_by_the_revenue_of_their_allocations(spark: SparkSession, tmp_path: Path) -> None:
    warehouse, report = f"{tmp_path}/warehouse", tmp_path / "report"
    generate_platform(spark, GeneratePlatformSettings(warehouse=warehouse, users=3_000, weeks=3, seed=3))
    build_features(spark, BuildFeaturesSettings(warehouse=warehouse))
    settings = EvaluateSettings(
        warehouse=warehouse, report=str(report), table1=True, table1_models="ptofa,esmm", table1_seeds=2, seed=5
    )
    train = {"epochs": 1, "grid": True, "grid_learning_rates": ".003", "grid_dropouts": ".1"}
    page = table_1(spark, settings, train)
    runs = json.loads((report / "table_1.json").read_text(encoding="utf-8"))
    assert [(run["predictor"], run["seed"]) for run in runs] == [
        ("ptofa", 5), ("esmm", 5), ("ptofa", 6), ("esmm", 6), ("oracle", None), ("zero", None), ("mean", None),
    ]  # fmt: skip
    trained = [run for run in runs if run["seed"] is not None]
    oracle = next(run for run in runs if run["predictor"] == "oracle")
    assert oracle["regret"] == 0.0
    for run in trained:
        # No allocation is worth more under the truth than the optimal one of the truth.
        assert 0.0 < run["regret"] < 1.0
        assert run["regret"] == pytest.approx(1 - run["rpme"] / oracle["rpme"])
        assert run["learning_rate"] == 0.003  # the first seed's grid chose it for the second too
    assert trained[1]["metrics"]["mse"] is None  # ESMM says nothing of money
    assert (report / "table_1.md").read_text(encoding="utf-8") == page
    assert "| .8327 .0362 .0227 | .9313 .4203 .1326 |" in page
    assert page.count("±") >= 8


def test_an_unknown_model_is_refused_before_any_training(spark: SparkSession, tmp_path: Path) -> None:
    settings = EvaluateSettings(warehouse=f"{tmp_path}/w", report=str(tmp_path / "r"), table1_models="ptofa,zilm")
    with pytest.raises(ConfigError, match=r"unknown model 'zilm'"):
        table_1(spark, settings, {})
    assert not (tmp_path / "r").exists()
