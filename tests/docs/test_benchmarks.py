"""docs/measured/benchmarks.md: each section says how it was measured; a small run costs no section of the full size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks import report, table_1
from benchmarks.lines import rows

PAGE = (report.DOCS / "benchmarks.md").read_text(encoding="utf-8")
SCORE = report.PARTS["score"]


def _scored(users: int, run: str = "a") -> dict[str, object]:
    times = {"plain_pairs_a_second": 1_000, "seconds": 20.0, "stage_seconds": 10.0, "jvm_gb": 1.0, "workers_gb": 0.5}
    how = {"run": run, "command": f"python score.py --users {users}", "versions": "Python 3.11"}
    return {"users": users, "funds": 8, **times, **how}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one page and no lines."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "benchmarks.md").write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "DOCS", tmp_path / "docs")
    return tmp_path


def _reported(root: Path, size: str, *lines: dict[str, object]) -> str:
    folder = root / report.SIZES[size]
    folder.mkdir(parents=True)
    (folder / "score.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    report.main(size)
    return (root / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def test_every_section_names_a_command_and_versions() -> None:
    sections = report.parted(PAGE)
    assert sections
    for title, text in sections.items():
        how = text.splitlines()[2]
        assert how.startswith("`make bench"), title
        assert "Python 3.11" in how, title


def test_the_page_is_as_the_report_writes_it() -> None:
    assert report.joined(report.parted(PAGE)) == PAGE


def test_a_small_run_leaves_the_sections_of_the_full_size_as_they_are(root: Path) -> None:
    before = report.parted(PAGE)
    after = report.parted(_reported(root, "small", _scored(1_000)))
    small = after.pop(report.heading(SCORE, "small"))
    before.pop(report.heading(SCORE, "small"), None)
    assert after == before
    assert "`make bench`: `python score.py --users 1000`. Python 3.11." in small
    assert "| 1,000 | 8,000 | 10.0 | 20.0 | 800 | 1,000 | 0.80 | 1.00 | 0.50 |" in small


def test_a_part_of_a_full_run_does_not_replace_what_it_lacks(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _reported(root, "full", _scored(1_000_000)) == PAGE
    assert "keeps its 'Scoring, full size'" in capsys.readouterr().err


def test_a_full_run_replaces_its_section_by_the_last_lines(root: Path) -> None:
    lines = [_scored(10_000_000), _scored(1_000_000), {**_scored(1_000_000, "b"), "stage_seconds": 20.0}]
    section = report.parted(_reported(root, "full", *lines))[report.heading(SCORE, "full")]
    assert section.count("| 1,000,000 |") == 1
    assert "| 1,000,000 | 8,000,000 | 20.0 |" in section


def test_a_ratio_is_of_one_run() -> None:
    measured = {"driver_gb": 1.0, "jvm_gb": 1.0, "workers_gb": 1.0}
    times = {f"{step}_s": 1.0 for step in ("read", "solve", "certify", "audit", "write")}
    found = {"objective": 99.0, "upper_bound": 100.0, "gap": 0.01, "c1": 0, "c2": 0, "c3": 0, **times, **measured}
    case = {"users": 1_000, "k": 1, "shape": "tight"}
    bare = [{**case, "method": "bare", "whole": whole, "run": run} for whole, run in ((10.0, "a"), (50.0, "b"))]
    own = {**case, **found, "method": "exact", "whole": 20.0, "run": "a"}
    ha = {**case, **found, "method": "ha", "whole": 100.0, "run": "b"}
    part = report.PARTS["allocate"]
    text = part.body(report.counting(pd.DataFrame([bare[0], own, bare[1], ha]), part))
    assert "| 1,000 | exact | 20.0 | - |" in text
    assert "| 1,000 | ha | 100.0 | 2.00 |" in text


@pytest.mark.long
@pytest.mark.parametrize("how", [[], ["--one-process"]])
def test_the_pipelines_benchmark_runs_from_the_platform_to_the_report(tmp_path: Path, how: list[str]) -> None:
    script = Path(report.__file__).with_name("pipeline.py")
    words = [sys.executable, str(script), "--bench", str(tmp_path), "--users", "2000", *how]
    subprocess.run(words, check=True, env=os.environ | {"PYTHONPATH": str(report.ROOT)})
    lines = pd.read_json(tmp_path / "pipeline.jsonl", lines=True)
    assert list(lines["stage"]) == [
        "generate_platform", "build_features", "train", "score", "allocate manual", "allocate ha", "allocate exact",
        "evaluate", *(["run_pipeline"] if how else []),
    ]  # fmt: skip
    assert (lines["seconds"] > 0).all()
    assert (lines[-1:] if how else lines)[["jvm_gb", "driver_gb"]].gt(0).all(axis=None)
    assert list(tmp_path.rglob("report.html"))


def _trained(seed: int | None, auc: float, predictor: str = "ptofa") -> dict[str, object]:
    figures = dict.fromkeys(
        ("mse", "mae", "mae_money", "gini", "conversion_ratio", "revenue_ratio", "calibration_error"), 0.5
    )
    how = {"scenario": "promotion", "users": 1_000, "grid": False, "command": f"seed {seed}", "versions": "Python 3.11"}
    rates = {"learning_rate": 0.001, "dropout": 0.1, "rpme": 20.0, "regret": 0.25}
    return {"predictor": predictor, "seed": seed, **rates, **how, "metrics": {"name": predictor, "auc": auc, **figures}}


def test_table_1_counts_each_training_once_and_keeps_those_of_other_seeds() -> None:
    earlier = [_trained(7, 0.7), _trained(8, 0.8), _trained(None, 0.9, "oracle")]
    lines = table_1.merged(earlier, [_trained(8, 0.78), _trained(None, 0.91, "oracle")])
    assert [(line["predictor"], line["seed"]) for line in lines] == [("ptofa", 7), ("ptofa", 8), ("oracle", None)]
    page = table_1.page(lines)
    assert "## promotion, 1,000 users\n" in page
    assert f"| ptofa | 2 | 0.7400 ± {0.08 / 2**0.5:.4f} | " in page
    assert "| oracle | 1 | 0.9100 | " in page
    assert page.count("- `seed ") == 3


def test_the_page_of_table_1_tells_the_lines_beside_it() -> None:
    lines = report.DOCS / "table_1.jsonl"
    assert table_1.page(rows(lines)) == lines.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.long
def test_table_1_is_measured_by_processes_side_by_side(tmp_path: Path) -> None:
    platform = ["--users=5000", "--platform=--exposure-policy=selected"]
    found = {line["predictor"]: line for line in _table_1(tmp_path, *platform, "--models", "ptofa,ziln", "dnn_c")}
    assert {line["scenario"] for line in found.values()} == {"promotion --exposure-policy=selected"}
    assert set(found) == {"ptofa", "ziln", "dnn_c", "oracle", "zero", "mean"}
    assert found["oracle"]["regret"] == 0.0
    assert all(0.0 < found[model]["regret"] < 1.0 for model in ("ptofa", "ziln", "dnn_c"))


@pytest.mark.long
def test_table_1_of_real_customers_with_settings_of_training(tmp_path: Path) -> None:
    words = ["--scenario=completejourney", "--train=epochs=1 learning_rate=.002", "--models", "ptofa"]
    model, zero, mean = _table_1(tmp_path, *words)
    assert (model["scenario"], model["users"]) == ("completejourney epochs=1 learning_rate=.002", None)
    assert (model["learning_rate"], model["regret"]) == (0.002, None)
    assert (zero["predictor"], mean["predictor"]) == ("zero", "mean")
    # Nothing that this call measured is taken for the next one's, which measures nothing.
    with pytest.raises(subprocess.CalledProcessError):
        _table_1(tmp_path, *words[:-1], "no_such_model", "--grid")
    assert len(rows(tmp_path / "table_1.jsonl")) == 3


def _table_1(folder: Path, *words: str) -> list[dict[str, Any]]:
    """The lines of a run of the benchmark with one seed, whose page tells them."""
    lines = folder / "table_1.jsonl"
    asked = [f"--bench={folder}", f"--lines={lines}", "--seeds=1", *words]
    environment = os.environ | {"PYTHONPATH": str(report.ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, table_1.__file__, *asked], check=True, env=environment)
    found = rows(lines)
    assert lines.with_suffix(".md").read_text(encoding="utf-8") == table_1.page(found)
    return found
