"""A mistake of the user's before any stage runs is one line that names it, with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.run_job import run_job

TABLE_JOBS = {
    "build_features": ("users", []),
    "train": ("examples", []),
    "score": ("", []),
    "evaluate": ("allocation.json", []),
    "compare_models": ("examples", []),
    "simulate_campaign": ("user_features", []),
}


@pytest.mark.parametrize(("job", "named"), [(job, named) for job, (named, _) in TABLE_JOBS.items()])
def test_a_job_without_its_input_names_what_is_missing(
    spark: SparkSession, tmp_path: Path, job: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--warehouse", str(tmp_path / "none")]
    if job in ("train", "score", "evaluate"):
        words += ["--model-dir", str(tmp_path / "model")]
    if job in ("evaluate", "compare_models", "simulate_campaign"):
        words += ["--report", str(tmp_path / "reports")]
    code, line = run_job(job, *words, capsys=capsys)
    assert code == 2
    assert line.startswith("error: ")
    assert str(tmp_path) in line
    assert named in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("colour: red\n", "unknown key 'colour'; allowed: warehouse, seed"),
        ("train: {epoch: 3}\n", "train: unknown key 'epoch'; allowed:"),
        ("train: 3\n", "section train must hold keys and values"),
        ("- train\n", "holds no mapping"),
        ("train: {epochs: many}\n", "train: epochs = 'many'"),
        ("spark: {memory: 4g}\n", "spark: unknown key 'memory'; allowed: app_name, master"),
        ("train: [\n", "is not valid YAML"),
        ("train: {eps: 0.01}\n", "eps"),
    ],
)
def test_a_wrong_config_is_one_line(
    spark: SparkSession, tmp_path: Path, yaml: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf.yaml").write_text(yaml)
    code, line = run_job("train", "--config", str(tmp_path / "conf.yaml"), capsys=capsys)
    assert code == 2
    assert said in line


def test_a_missing_config_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = run_job("train", "--config", str(tmp_path / "nowhere.yaml"), capsys=capsys)
    assert (code, line) == (2, f"error: config file {tmp_path}/nowhere.yaml cannot be read: No such file or directory")


def test_an_unknown_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = run_job("train", "--epoch", "3", capsys=capsys)
    assert code == 2
    assert "--epoch" in line


def test_the_pipeline_refuses_a_wrong_section_of_its_last_stage_before_its_first(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "former.yaml"
    file.write_text("evaluate: {table1: false}\n")
    words = [f"--config={file}", f"--warehouse={tmp_path}/w", f"--report={tmp_path}/r"]
    code, line = run_job("run_pipeline", *words, capsys=capsys)
    assert (code, line) == (2, "error: evaluate: table1 has moved: run the job compare_models")
    assert list(tmp_path.iterdir()) == [file]
