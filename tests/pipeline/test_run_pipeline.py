"""One run of the whole pipeline on a synthetic platform, and what works on its tables.

That is the same pipeline as tasks of the bundle, the notebooks, and Tables 1 and 2 of the paper.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pyspark.sql import SparkSession

from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.allocation.exact.price_loop import ExactSolution, exact_allocation
from ptofa_spark.errors import UserError
from ptofa_spark.evaluation.predictions import predictions
from ptofa_spark.evaluation.table_1.compare_models import compare_models
from ptofa_spark.evaluation.table_1.run import read_runs
from ptofa_spark.evaluation.table_1.settings import CompareModelsSettings
from ptofa_spark.evaluation.table_1.text import table_1_page
from ptofa_spark.evaluation.table_2.arm_result import read_arms
from ptofa_spark.evaluation.table_2.settings import SimulateCampaignSettings
from ptofa_spark.evaluation.table_2.simulate_campaign import simulate_campaign
from ptofa_spark.evaluation.table_2.text import table_2_page
from ptofa_spark.pipeline.run import model_place
from ptofa_spark.pipeline.settings import RunPipelineSettings
from tests.pipeline.bundle import BUNDLE, TASKS, packaged
from tests.pipeline.finished_run import Run, assert_ha_meets_every_constraint, run_pipeline
from tests.pipeline.notebooks import Shown, run_notebook
from tests.run_job import run_job

USERS = 3_000
CATALOG = "spark_catalog.ptofa_synthetic"
CONFIG: dict[str, Any] = {
    "generate_platform": {"weeks": 3, "unrecorded_below": 0.0},
    "train": {"epochs": 2, "batch_size": 128},
    "evaluate": {"bootstrap": 100, "metric_bootstrap": 100},
}


@pytest.fixture(scope="module")
def synthetic(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run, whose tables are those of a catalog."""
    root = tmp_path_factory.mktemp("synthetic")
    spark.sql(f"CREATE SCHEMA {CATALOG} LOCATION '{root}/tables'")
    return run_pipeline(spark, root, CATALOG, yaml.safe_dump(CONFIG), "--users", str(USERS))


def notebook(done: Run, name: str, **widgets: str) -> Shown:
    """What a notebook shows, run on the run's tables and reports."""
    return run_notebook(name, done.spark, {"warehouse": done.warehouse, "report": str(done.reports)} | widgets)


def test_the_model_is_in_the_warehouse_only_if_that_is_a_folder() -> None:
    for warehouse, place in {
        "warehouse/x": "warehouse/x/model", "s3a://bucket/ptofa": "r/model", "main.ptofa": "r/model",
        "/mnt/w/": "/mnt/w/model", "dbfs:/ptofa": "r/model", "hdfs:/x": "r/model",
    }.items():  # fmt: skip
        assert Path(model_place(RunPipelineSettings(warehouse=warehouse, report="r"))) == Path(place)
    assert model_place(RunPipelineSettings(warehouse="main.ptofa", model_dir="m")) == "m"


def test_the_pipeline_runs_on_the_synthetic_platform(synthetic: Run) -> None:
    assert_ha_meets_every_constraint(synthetic)
    truth = synthetic.table("truth").toPandas()
    worth = truth.assign(revenue=truth["p_c"] * np.exp(truth["mu"] + truth["sigma"] ** 2 / 2))
    for judged in synthetic.evaluation["allocations"]:
        rows = synthetic.table(f"allocation_{judged['name']}").toPandas()
        pairs = rows.merge(worth, on=["user_id", "fund_id"])
        assert len(pairs) == len(rows)
        assert judged["truth"]["cpme"] == pytest.approx(1000 * pairs["p_c"].mean(), rel=1e-6)
        assert judged["truth"]["rpme"] == pytest.approx(1000 * pairs["revenue"].mean(), rel=1e-6)
        scores = rows["expected_revenue"].sum()
        assert judged["summary"]["objective"] == pytest.approx(scores, rel=1e-6)
    read = ("examples", "truth", *(f"allocation_{judged['name']}" for judged in synthetic.evaluation["allocations"]))
    assert synthetic.evaluation["table_versions"] == dict.fromkeys(read, 0)
    auc = {row["name"]: row["auc"] for row in synthetic.evaluation["metrics"]}
    assert auc["oracle"] > 0.75
    assert auc["zero"] == 0.5


def test_a_summary_of_another_allocation_is_refused(synthetic: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that ended between the table and the summary leaves such a summary."""
    place = synthetic.reports / "ha" / "allocation.json"
    told = place.read_text()
    words = [f"--warehouse={CATALOG}", f"--report={synthetic.reports}", f"--model-dir={synthetic.root}/model"]
    for text, allocations, said in (
        (json.dumps({**json.loads(told), "objective": 1.0}), "ha", "run allocate again, so that one run writes both"),
        (told[: len(told) // 2], "ha", "allocation.json is no JSON"),
        (
            json.dumps({**json.loads(told), "campaign_id": "another"}), "exact,ha",
            "and ha (campaign 'another') do not have the same campaign, K and demands",
        ),
    ):  # fmt: skip
        place.write_text(text)
        code, line = run_job("evaluate", *words, f"--allocations={allocations}", capsys=capsys)
        place.write_text(told)
        assert code == 2
        assert said in line


def test_all_tasks_run_with_the_bundles_own_parameters(synthetic: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Databricks calls them: the entry point by name, in a running session, with tables of a catalog.

    The volume is a local directory. Each task replaces what the run has left.
    """
    _, entries = packaged()
    given = {
        "workspace.file_path": str(synthetic.root),
        "var.files": str(synthetic.root),
        "var.users": str(USERS),
        "var.campaign": "week_04",
        "var.warehouse": CATALOG,
        "var.tables": f"{CATALOG}.",
    }
    (synthetic.reports / "evaluation.json").unlink()
    (synthetic.reports / "report.html").unlink()
    for key, task in TASKS.items():
        words = [BUNDLE.resolved(word, given) for word in task.python_wheel_task.parameters]
        monkeypatch.setattr(sys, "argv", ["ptofa", *words])
        assert entries[task.python_wheel_task.entry_point].load()() is None, key
        assert SparkSession.getActiveSession() is not None, "a task stopped the session that it was given"
    evaluation = json.loads((synthetic.reports / "evaluation.json").read_text())
    assert [each["name"] for each in evaluation["allocations"]] == ["ha", "exact"]
    assert all(each["summary"]["violations"] == {"c1": 0, "c2": 0, "c3": 0} for each in evaluation["allocations"])
    assert (synthetic.reports / "report.html").is_file()


def test_the_notebook_on_the_platform_runs(synthetic: Run) -> None:
    tolerance, tail, rates, truth = notebook(synthetic, "01_explore_the_platform").frames()
    assert tolerance["count"].sum() == USERS
    assert tail["purchases_p99"][0] > 5 * tail["purchases_p50"][0]
    assert rates["exposures"].sum() == 3 * USERS
    assert len(truth) == 8


def test_the_notebook_on_prices_runs(synthetic: Run) -> None:
    prices = notebook(synthetic, "03_allocate_and_read_the_prices")
    delivered, seen = prices.frames()
    assert (delivered["delivered"] == delivered["demand"]).all()
    assert delivered["price"].notna().all()
    assert seen.drop(columns="risk_tolerance").to_numpy(na_value=0).sum() == USERS
    assert prices.printed.count("-10%") == 1


def test_the_notebook_on_own_data_runs(spark: SparkSession, tmp_path: Path) -> None:
    own = run_notebook("05_bring_your_own_data", spark, {"place": str(tmp_path), "users": "400"})
    assert own.frames()[0].set_index("fund_id")["count"].to_dict() == {
        "bonds": 100, "cash": 200, "mixed": 50, "stocks": 50,
    }  # fmt: skip


@pytest.fixture(scope="module")
def compared(synthetic: Run) -> str:
    """What the notebook on models printed."""
    return notebook(synthetic, "02_train_and_compare_models", models="ptofa", epochs="1").printed


def test_a_model_is_judged_by_the_revenue_of_its_allocation(synthetic: Run, compared: str) -> None:
    """By the notebook on models, which shows what it has left as JSON."""
    assert table_1_page(read_runs(str(synthetic.reports))) in compared
    assert "| .8327 .0362 .0227 | .9313 .4203 .1326 |" in compared
    runs = json.loads((synthetic.reports / "table_1.json").read_text(encoding="utf-8"))
    predictors = [("ptofa", 7), ("oracle", None), ("zero", None), ("mean", None)]
    assert [(run["predictor"], run["seed"]) for run in runs] == predictors
    trained, oracle = runs[:2]
    assert oracle["regret"] == 0.0
    # No allocation is worth more under the truth than the optimal one of the truth.
    assert 0.0 < trained["regret"] < 1.0
    assert trained["regret"] == pytest.approx(1 - trained["rpme"] / oracle["rpme"])


def test_a_model_is_measured_again_only_if_a_table_was_written_anew(
    spark: SparkSession, synthetic: Run, compared: str
) -> None:
    """It is not trained again in either case."""
    report = synthetic.reports
    again = CompareModelsSettings(warehouse=synthetic.warehouse, report=str(report), models="ptofa", seeds=1)
    (kept,) = (report / "table_1_models").glob("*/ptofa-7/model.safetensors")
    before, figures = kept.stat().st_mtime_ns, kept.parent.with_name("ptofa-7.json")
    first = json.loads(figures.read_text(encoding="utf-8"))
    assert first == json.loads((report / "table_1.json").read_text(encoding="utf-8"))[0]
    figures.write_text(json.dumps(first | {"rpme": 1.0}), encoding="utf-8")
    compare_models(spark, again, {"epochs": 1})
    assert json.loads((report / "table_1.json").read_text(encoding="utf-8"))[0]["rpme"] == 1.0
    synthetic.table("demands").write.format("delta").mode("overwrite").saveAsTable(f"{CATALOG}.demands")
    compare_models(spark, again, {"epochs": 1})
    assert kept.stat().st_mtime_ns == before
    rerun = json.loads((report / "table_1.json").read_text(encoding="utf-8"))[0]
    assert rerun.pop("measured_on") != first.pop("measured_on")
    assert rerun == first


def test_models_are_trained_seed_by_seed_at_the_rates_that_the_first_seed_chose(
    spark: SparkSession, synthetic: Run, tmp_path: Path
) -> None:
    """On the same examples, in a warehouse that has no truth."""
    for name in ("examples", "user_features"):
        shutil.copytree(synthetic.root / "tables" / name, tmp_path / "w" / name)
    report = tmp_path / "report"
    settings = CompareModelsSettings(
        warehouse=f"{tmp_path}/w", report=str(report), models="ptofa,esmm", seeds=2, seed=5
    )
    train = {"epochs": 1, "grid": True, "grid_learning_rates": ".003", "grid_dropouts": ".1"}
    runs = compare_models(spark, settings, train)
    assert read_runs(str(report)) == runs
    assert [(run.predictor, run.seed) for run in runs] == [
        ("ptofa", 5), ("esmm", 5), ("ptofa", 6), ("esmm", 6), ("zero", None), ("mean", None),
    ]  # fmt: skip
    for run in runs[:4]:
        assert (run.learning_rate, run.dropout) == (0.003, 0.1)  # the first seed's grid chose them for the second too
        assert (run.rpme, run.regret) == (None, None)
    assert runs[1].metrics.mse is None  # ESMM says nothing of money
    page = table_1_page(runs)
    assert (report / "table_1.md").read_text(encoding="utf-8") == page
    assert page.count("±") >= 8


def test_a_sample_of_the_exposures_has_all_of_a_user_or_none(synthetic: Run) -> None:
    logged = synthetic.table("examples")  # three exposures a user
    whole, few = (
        predictions.test_set(logged, str(synthetic.root / "model"), "ptofa", None, rows).outcomes
        for rows in (5_000_000, 1_000)
    )
    assert set(np.bincount(whole.user)) == {3}
    assert 700 < len(few.revenue) < 1_300
    assert set(np.bincount(few.user)) == {3}


ARMS = ["dnn_r+manual", "dnn_r+ha", "oracle+exact"]


@pytest.fixture(scope="module")
def campaign(synthetic: Run, compared: str) -> Shown:
    """What the notebook on a campaign shows, after the notebook on models."""
    return notebook(synthetic, "04_evaluate_a_campaign", arms=",".join(ARMS), epochs="1", sizes="200")


def test_the_notebook_on_a_campaign_shows_both_tables_and_figure_4(campaign: Shown) -> None:
    assert "| oracle+exact |" in campaign.printed  # Table 2
    assert "| ptofa | 1 |" in campaign.printed  # Table 1, of the notebook on models
    (figure,) = campaign.shown
    times, objectives = figure.axes
    assert [len(line.get_xdata()) for line in times.lines] == [1, 1, 1]
    assert all(0.9 < y <= 1 + 1e-6 for line in objectives.lines for y in line.get_ydata())


def test_arms_are_judged_by_what_their_users_do_and_by_the_truth(synthetic: Run, campaign: Shown) -> None:
    page = table_2_page(read_arms(str(synthetic.reports)))
    assert page in campaign.printed
    found = json.loads((synthetic.reports / "table_2.json").read_text(encoding="utf-8"))
    assert [f"{arm['predictor']}+{arm['method']}" for arm in found] == ARMS
    assert sum(arm["users"] for arm in found) == USERS
    assert all(800 < arm["users"] < 1_200 for arm in found)
    manual, heuristic, oracle = found
    assert manual["lift"] is None
    assert oracle["regret"] == oracle["prediction_regret"] == 0.0
    for arm in (manual, heuristic):
        assert arm["regret"] == pytest.approx(arm["prediction_regret"] + arm["optimisation_regret"])
        assert 0.0 < arm["prediction_regret"] < arm["regret"] or arm["optimisation_regret"] < 0.0
    assert manual["optimisation_regret"] > heuristic["optimisation_regret"] - 0.02
    assert manual["users_served"] < manual["users"]  # the baseline strands users, and the table says so
    assert oracle["violations"] == heuristic["violations"] == {"c1": 0, "c2": 0, "c3": 0}
    allocation = synthetic.table("campaign_allocation")
    served = {row["campaign_id"]: row["count"] for row in allocation.groupBy("campaign_id").count().collect()}
    for arm, name in zip(found, ARMS, strict=True):
        cpme = arm["drawn"]["cpme"]
        assert cpme["estimate"] == pytest.approx(1_000 * arm["conversions"] / served[name])
        assert cpme["low"] <= cpme["estimate"] <= cpme["high"]
        # As many conversions as the truth expects, within five standard deviations.
        expected = arm["expected"]["cpme"] * served[name] / 1_000
        assert abs(arm["conversions"] - expected) < 5 * expected**0.5 + 1
    for arm in found:  # an arm's own report, not that of the optimum it is compared with
        told = AllocationSummary.read(str(synthetic.reports / "campaign_arms" / f"{arm['predictor']}+{arm['method']}"))
        assert (told.method, told.users_served) == (arm["method"], arm["users_served"])
    assert (synthetic.reports / "table_2.md").read_text(encoding="utf-8") == page
    assert "| P3 | PTOFA | HA | 4.29 | 25,558 |" in page


def test_an_arm_that_did_not_reach_the_optimum_has_no_regret_of_its_prediction(
    spark: SparkSession, synthetic: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a round, exact falls back to HA: its loss must not be booked on the prediction."""

    def without_a_round(*given: Any) -> ExactSolution:
        rule, score_table, seed, _, warm, _ = given
        return exact_allocation(rule, score_table, seed, 1_000, warm, max_rounds=0)  # fewer pairs than the campaign has

    monkeypatch.setattr("ptofa_spark.allocation.exact.method.exact_allocation", without_a_round)
    settings = SimulateCampaignSettings(warehouse=synthetic.warehouse, report=str(tmp_path), arms="oracle+exact")
    with pytest.raises(UserError, match="the optimum was not proved"):
        simulate_campaign(spark, settings, {})
