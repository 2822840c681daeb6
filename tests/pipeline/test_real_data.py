"""The whole pipeline, every stage real, on the customers of Hillstrom and of completejourney."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from tests.pipeline.finished_run import assert_ha_meets_every_constraint, run_pipeline

HILLSTROM = Path(os.environ.get("HILLSTROM_CSV", "../shared/data/hillstrom.csv"))


@pytest.mark.usefixtures("compiling")
@pytest.mark.skipif(not HILLSTROM.exists(), reason=f"no Hillstrom CSV at {HILLSTROM}: set HILLSTROM_CSV")
def test_the_pipeline_runs_on_hillstrom(spark: SparkSession, warehouse: str, tmp_path: Path) -> None:
    words = ("--dataset", "hillstrom", "--source", str(HILLSTROM))
    config = "train: {epochs: 1}\nevaluate: {bootstrap: 200, metric_bootstrap: 20}\n"
    done = run_pipeline(spark, tmp_path, warehouse, config, *words)
    assert_ha_meets_every_constraint(done)
    logged = pd.read_csv(HILLSTROM)
    split = done.table("user_features").select("user_id", "split").toPandas().set_index("user_id")["split"]
    tested = logged[(split.reindex(logged.index) == "test").to_numpy()]
    assert done.evaluation["exposures"] == len(tested)
    assert done.evaluation["conversions"] == tested["conversion"].sum()
    demand = [fund["demand"] for fund in done.summary("ha")["funds"]]
    assert sum(demand) == len(tested)
    assert max(demand) - min(demand) <= 1
    held = done.table("allocation_ha").toPandas().set_index("user_id")["fund_id"].reindex(tested.index)
    given = tested["segment"].map(
        {"No E-Mail": "no_email", "Mens E-Mail": "mens_email", "Womens E-Mail": "womens_email"}
    )
    ours = next(each for each in done.evaluation["allocations"] if each["name"] == "ha")["logged"]
    followed = tested[(held == given).to_numpy()]
    assert ours["cpme"]["estimate"] == pytest.approx(3_000 * followed["conversion"].sum() / len(tested), rel=1e-9)
    assert ours["rpme"]["estimate"] == pytest.approx(3_000 * followed["spend"].sum() / len(tested), rel=1e-9)
    assert ours["cpme"]["low"] < ours["cpme"]["estimate"] < ours["cpme"]["high"]
    assert ours["logged_cpme"]["estimate"] == pytest.approx(1_000 * tested["conversion"].mean(), rel=1e-9)
    model = next(row for row in done.evaluation["metrics"] if row["name"] == "ptofa")
    assert model["auc"] > 0.5
    assert 0.5 < model["conversion_ratio"] < 2.0


@pytest.mark.long
def test_the_pipeline_runs_on_completejourney(spark: SparkSession, warehouse: str, tmp_path: Path) -> None:
    done = run_pipeline(spark, tmp_path, warehouse, "train: {epochs: 1}\n", "--dataset", "completejourney")
    assert_ha_meets_every_constraint(done)
    for judged in done.evaluation["allocations"]:  # targeted, not randomised: nothing is estimated from the log
        assert judged["truth"] is None
        assert judged["logged"] is None
