"""`train` on real tables: a folder that another process can read, the same for the same seed, and one-line errors."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import safetensors.numpy
import torch
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sklearn.metrics import roc_auc_score

from ptofa_spark.errors import UserError
from ptofa_spark.features.encoders import Encoders
from ptofa_spark.features.fitting import fit_encoders
from ptofa_spark.models.registry import MODELS
from ptofa_spark.scoring.pairs import predict_examples
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.training.artifact import Artifact, read_artifact, unpack, write_artifact
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import TrainedModel, train
from tests.feed.feature_tables import FeatureTables
from tests.run_job import run_job

QUICK = {"epochs": 3, "learning_rate": 0.01, "batch_size": 128, "seed": 5}


@pytest.fixture(scope="module")
def trained(spark: SparkSession, tables: FeatureTables, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    model_dir = str(tmp_path_factory.mktemp("models") / "nested" / "ptofa")
    return train(spark, TrainSettings(warehouse=tables.warehouse, model_dir=model_dir, **QUICK))  # type: ignore[arg-type]


def test_the_folder_holds_all_that_the_model_was_made_from(
    spark: SparkSession, tables: FeatureTables, trained: TrainedModel
) -> None:
    folder = Path(trained.model_dir)
    assert sorted(file.name for file in folder.iterdir()) == [
        "encoders.json",
        "metrics.json",
        "model.json",
        "model.safetensors",
    ]
    assert [entry.name for entry in folder.parent.iterdir()] == ["ptofa"]
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert described["name"] == "ptofa"
    assert described["settings"]["counterfactual"] == "density"
    assert described["table_versions"] == {f"{tables.warehouse}/examples": 0}
    examples = spark.read.format("delta").load(f"{tables.warehouse}/examples")
    assert sorted(described["feature_columns"]) == sorted(c for c in examples.columns if c[:2] in ("u_", "f_", "p_"))
    assert Encoders.from_json((folder / "encoders.json").read_text(encoding="utf-8")) == fit_encoders(examples)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    counts = {row["split"]: row["count"] for row in examples.groupBy("split").count().collect()}
    assert {split: labels["rows"] for split, labels in metrics["labels"].items()} == counts
    assert metrics["validation"]["rows"] == counts["validation"]


def test_the_model_ranks_nearly_as_the_truth_does_on_users_it_never_saw(
    spark: SparkSession, tables: FeatureTables, trained: TrainedModel
) -> None:
    examples = spark.read.format("delta").load(f"{tables.warehouse}/examples")
    test = examples.where("split = 'test'").coalesce(1)  # one worker, since each imports torch for seconds
    said = predict_examples(test, trained.model_dir).toPandas().merge(tables.examples[["user_id", "p_c"]], on="user_id")
    oracle = roc_auc_score(said["conversion"], said["p_c_y"])
    assert roc_auc_score(said["conversion"], said["p_c_x"]) > oracle - 0.03
    assert said["p_c_x"].sum() == pytest.approx(said["p_c_y"].sum(), rel=0.15)
    assert said["predicted_revenue"].sum() == pytest.approx(said["revenue"].sum(), rel=0.3)


def test_a_model_read_back_predicts_what_was_trained(trained: TrainedModel, tmp_path: Path) -> None:
    artifact = read_artifact(trained.model_dir)
    model = unpack(artifact).model
    kept = safetensors.numpy.load_file(f"{trained.model_dir}/model.safetensors")
    assert {name: tuple(w.shape) for name, w in kept.items()} == {
        n: tuple(w.shape) for n, w in model.state_dict().items()
    }
    assert all(torch.equal(torch.from_numpy(kept[name]), weight) for name, weight in model.state_dict().items())
    write_artifact(artifact, {}, str(tmp_path / "copy"))
    assert read_artifact(str(tmp_path / "copy")) == artifact


def test_the_same_seed_trains_the_same_weights(
    spark: SparkSession, tables: FeatureTables, trained: TrainedModel, tmp_path: Path
) -> None:
    def weights(name: str, seed: int) -> bytes:
        settings = TrainSettings(warehouse=tables.warehouse, model_dir=str(tmp_path / name), **(QUICK | {"seed": seed}))  # type: ignore[arg-type]
        train(spark, settings)
        return read_artifact(str(tmp_path / name)).weights

    assert weights("again", 5) == read_artifact(trained.model_dir).weights
    assert weights("other", 6) != read_artifact(trained.model_dir).weights


def test_training_on_data_without_a_conversion_gives_finite_predictions(
    spark: SparkSession, tables: FeatureTables, warehouse: str, caplog: pytest.LogCaptureFixture
) -> None:
    examples = spark.read.format("delta").load(f"{tables.warehouse}/examples").where("user_id < 6000")
    nothing = examples.withColumns({name: F.lit(0.0) for name in ("click", "conversion", "revenue")})
    write_table(nothing, f"{warehouse}/examples", partition_by=("snapshot_date", "split"))
    done = train(spark, TrainSettings(warehouse=warehouse, model_dir=f"{warehouse}/model", epochs=1))
    assert done.labels["train"].conversions == 0
    assert "epochs=1 ended the training before its loss had stopped falling" in caplog.text
    assert done.metrics()["cut_off"] is True
    written = spark.read.format("delta").load(f"{warehouse}/examples").coalesce(1)
    said = predict_examples(written, f"{warehouse}/model").toPandas()
    assert said["predicted_revenue"].map(math.isfinite).all()


def test_a_newer_model_replaces_the_older(tmp_path: Path) -> None:
    first, second = (Artifact(word, b"{}", b"{}") for word in (b"first", b"second"))
    write_artifact(first, {}, str(tmp_path / "m"))
    write_artifact(second, {"auc": 0.5}, str(tmp_path / "m"))
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == b"second"
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


def test_a_folder_that_holds_no_model_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match=r"photos exists and holds no trained model: name another folder"):
        write_artifact(Artifact(b"weights", b"{}", b"{}"), {}, str(tmp_path / "photos"))
    assert [entry.name for entry in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_folder_without_a_whole_model_is_refused(trained: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none holds no trained model .* run train, or name the folder it wrote"):
        read_artifact(str(tmp_path / "none"))
    artifact = read_artifact(trained.model_dir)
    for damaged in (
        Artifact(artifact.weights[:-100], artifact.model, artifact.encoders),
        Artifact(artifact.weights, artifact.model[:-5], artifact.encoders),
        Artifact(artifact.weights, artifact.model, artifact.encoders.replace(b"u_wealth", b"u_health")[:-9]),
    ):
        write_artifact(damaged, {}, str(tmp_path / "damaged"))
        with pytest.raises(UserError, match=r"is damaged .*: train it again"):
            read_artifact(str(tmp_path / "damaged"))


def test_bad_input_fails_in_one_line(
    spark: SparkSession, tables: FeatureTables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(*words: str) -> str:
        code, line = run_job("train", "--model-dir", str(tmp_path / "model"), *words, capsys=capsys)
        assert code == 2
        assert not (tmp_path / "model").exists()
        return line

    here = ("--warehouse", tables.warehouse)
    known = ", ".join(MODELS)
    unknown = refusal(*here, "--model", "zilm")
    assert unknown == f"error: train: model = 'zilm': no model has this name: choose one of {known}"
    assert "the density loss would have no lower bound" in refusal(*here, "--eps", "0.01")
    assert "unrecognized arguments: --epoch" in refusal(*here, "--epoch", "3")
    assert "learning_rate = '-1'" in refusal(*here, "--learning-rate", "-1")
    assert f"{tmp_path}/nowhere/examples does not exist" in refusal("--warehouse", f"{tmp_path}/nowhere")
    examples = spark.read.format("delta").load(f"{tables.warehouse}/examples")
    small = examples.where("split <> 'validation'")
    write_table(small, f"{tmp_path}/small/examples", partition_by=("snapshot_date", "split"))
    assert "has no rows of split 'validation' (it holds test: " in refusal("--warehouse", f"{tmp_path}/small")
    write_table(examples.drop("revenue"), f"{tmp_path}/poor/examples")
    assert "lacks column(s) revenue" in refusal("--warehouse", f"{tmp_path}/poor")
