"""A training job killed in the middle of an epoch, and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from safetensors import safe_open

from ptofa_spark.training.artifact import read_artifact
from tests.feed.feature_tables import write_feature_tables
from tests.run_job import JOBS, job_module

_PATIENCE = 180.0


def words(warehouse: str, model_dir: Path) -> list[str]:
    lasting = ["--checkpoint-steps=7", "--learning-rate=.001", "--epochs=10", "--patience=10", "--batch-size=64"]
    return [f"--warehouse={warehouse}", f"--model-dir={model_dir}", "--dropout=.3", "--spark.master=local[2]", *lasting]


def stands_in_an_epoch(folder: Path) -> bool:
    """Whether a checkpoint says that one epoch was finished and the next one begun."""
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as opened:
            progress = json.loads(opened.metadata()["run"])["progress"]
            return progress["epoch"] >= 1 and progress["steps"] > 0
    return False


def test_a_killed_run_goes_on_to_the_weights_of_an_undisturbed_one(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse = write_feature_tables(spark, f"{tmp_path}/warehouse", users=1_500).warehouse
    train = job_module("train").main
    assert train(words(warehouse, tmp_path / "whole")) == 0
    assert "resumed" not in capsys.readouterr().err
    killed = subprocess.Popen(
        [sys.executable, str(JOBS / "train.py"), *words(warehouse, tmp_path / "model"), "--spark.driver-memory=1g"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    folder = tmp_path / ".model.checkpoints"
    until = time.monotonic() + _PATIENCE
    while not stands_in_an_epoch(folder):
        assert killed.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < until, "no checkpoint was written"
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "model").exists()
    assert train(words(warehouse, tmp_path / "model")) == 0
    assert "resumed epoch=" in capsys.readouterr().err
    assert read_artifact(str(tmp_path / "model")) == read_artifact(str(tmp_path / "whole"))
    assert not folder.exists()
    found = [(tmp_path / name / "metrics.json").read_text(encoding="utf-8") for name in ("model", "whole")]
    losses = [[epoch["validation_loss"] for epoch in json.loads(text)["history"]] for text in found]
    assert losses[0] == losses[1]
