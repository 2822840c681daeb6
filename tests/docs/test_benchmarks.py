"""The benchmarks' pages: a page says how it was measured, is written from its lines alone, and loses no row unasked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks import report, table_1
from benchmarks.jobs import measure_script
from benchmarks.lines import rows

MEASURED = sorted(report.PAGES.glob("bench_*.md"))


def _scored(users: int, run: str = "a") -> dict[str, object]:
    times = {"plain_pairs_a_second": 1_000, "seconds": 20.0, "stage_seconds": 10.0, "jvm_gb": 1.0, "workers_gb": 0.5}
    how = {"run": run, "command": f"python score.py --users {users}", "versions": "Python 3.11"}
    return {"users": users, "funds": 8, **times, **how}


def _written(folder: Path, size: str, *lines: dict[str, object], words: tuple[str, ...] = ()) -> str:
    """The page of scoring after a report of these lines."""
    (folder / "score.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    report.main([size, f"--bench={folder}", f"--pages={folder / 'pages'}", *words])
    return _page(folder, size).read_text(encoding="utf-8")


def _page(folder: Path, size: str) -> Path:
    return folder / "pages" / f"bench_score_{size}.md"


@pytest.mark.parametrize("page", MEASURED, ids=lambda page: page.stem)
def test_a_measured_page_names_its_command_and_its_versions(page: Path) -> None:
    title, _, how = page.read_text(encoding="utf-8").splitlines()[:3]
    assert re.fullmatch(r"# .+, (small|full) size", title)
    assert how.startswith("`make bench")
    assert "Python 3." in how


def test_the_index_links_every_measured_page() -> None:
    index = (report.PAGES / "benchmarks.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\((bench_\w+\.md)\)", index)) == [page.name for page in MEASURED]


@pytest.mark.parametrize("name", report.PARTS)
def test_the_command_of_a_part_is_a_target_that_writes_its_page(name: str) -> None:
    makefile = (report.ROOT / "Makefile").read_text(encoding="utf-8")
    target = report.PARTS[name].command.removeprefix("make ")
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    assert recipe is not None
    assert re.search(rf"report\.py full(?: \w+)*? {name}\b", recipe[1])


def test_a_small_page_is_replaced_as_a_whole(tmp_path: Path) -> None:
    _written(tmp_path, "small", _scored(1_000), _scored(2_000))
    page = _written(tmp_path, "small", _scored(1_000))
    assert page.startswith("# Scoring, small size\n\n`make bench`: `python score.py --users 1000`. Python 3.11.\n")
    assert "| 1,000 | 8,000 | 10.0 | 20.0 | 800 | 1,000 | 0.80 | 1.00 | 0.50 |" in page
    assert "| 2,000 |" not in page


def test_a_report_leaves_the_pages_of_the_other_size_as_they_are(tmp_path: Path) -> None:
    full = _written(tmp_path, "full", _scored(1_000_000))
    _written(tmp_path, "small", _scored(1_000))
    assert _page(tmp_path, "full").read_text(encoding="utf-8") == full


def test_a_report_writes_no_page_of_a_part_that_was_not_asked_for(tmp_path: Path) -> None:
    _written(tmp_path, "small", _scored(1_000))
    _page(tmp_path, "small").unlink()
    report.main(["small", "train", f"--bench={tmp_path}", f"--pages={tmp_path / 'pages'}"])
    assert not _page(tmp_path, "small").exists()


def test_a_report_of_an_unknown_part_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        report.main(["full", "scoring"])
    known = "allocate, features, row_groups, train, score, udf_kinds, pipeline"
    assert f"no benchmark is named 'scoring': choose from {known}" in capsys.readouterr().err


def test_a_full_page_shows_the_last_line_of_each_row(tmp_path: Path) -> None:
    lines = [_scored(10_000_000), _scored(1_000_000), {**_scored(1_000_000, "b"), "stage_seconds": 20.0}]
    page = _written(tmp_path, "full", *lines)
    assert page.count("| 1,000,000 |") == 1
    assert "| 1,000,000 | 8,000,000 | 20.0 |" in page
    assert rows(_page(tmp_path, "full").with_suffix(".jsonl")) == [lines[0], lines[2]]


def test_a_full_page_is_replaced_by_lines_that_have_all_its_rows(tmp_path: Path) -> None:
    _written(tmp_path, "full", _scored(1_000_000))
    page = _written(tmp_path, "full", {**_scored(1_000_000), "stage_seconds": 5.0}, _scored(2_000_000))
    assert "| 1,000,000 | 8,000,000 | 5.0 |" in page
    assert "| 2,000,000 |" in page


def test_a_full_page_stays_if_the_lines_lack_one_of_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = _written(tmp_path, "full", _scored(1_000_000), _scored(2_000_000))
    with pytest.raises(SystemExit, match="1"):
        _written(tmp_path, "full", _scored(1_000_000))
    assert _page(tmp_path, "full").read_text(encoding="utf-8") == page
    assert len(rows(_page(tmp_path, "full").with_suffix(".jsonl"))) == 2
    said = capsys.readouterr().err
    assert "lack 1 of its rows (users=2000000)" in said
    assert "report.py full score --replace" in said


def test_a_full_page_without_lines_beside_it_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pages").mkdir()
    _page(tmp_path, "full").write_text("# Measured before lines were kept\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="1"):
        _written(tmp_path, "full", _scored(1_000_000))
    assert _page(tmp_path, "full").read_text(encoding="utf-8") == "# Measured before lines were kept\n"
    assert "no bench_score_full.jsonl lies beside it" in capsys.readouterr().err


def test_replace_writes_a_full_page_with_fewer_rows(tmp_path: Path) -> None:
    _written(tmp_path, "full", _scored(1_000_000), _scored(2_000_000))
    page = _written(tmp_path, "full", _scored(1_000_000), words=("--replace",))
    assert "| 1,000,000 |" in page
    assert "| 2,000,000 |" not in page


def test_the_lines_beside_a_page_make_the_same_page_again(tmp_path: Path) -> None:
    page = _written(tmp_path, "full", _scored(2_000_000), _scored(1_000_000), _scored(2_000_000, "b"))
    kept = rows(_page(tmp_path, "full").with_suffix(".jsonl"))
    report.write_page("score", "full", kept, tmp_path / "again", replace=False)
    assert (tmp_path / "again" / "bench_score_full.md").read_text(encoding="utf-8") == page


def _allocated(method: str, run: str, whole: float) -> dict[str, Any]:
    times = {f"{step}_s": 1.0 for step in ("read", "solve", "certify", "audit", "write")}
    found = {"objective": 99.0, "upper_bound": 100.0, "gap": 0.01, "c1": 0, "c2": 0, "c3": 0}
    memory = {"driver_gb": 1.0, "jvm_gb": 1.0, "workers_gb": 1.0}
    how = {"run": run, "command": "python allocate.py", "versions": "Python 3.11"}
    measured = {} if method == "bare" else {**found, **times, **memory}
    return {"users": 1_000, "k": 1, "shape": "loose", "method": method, "whole": whole, **measured, **how}


def test_a_ratio_takes_both_figures_from_one_run() -> None:
    lines = [
        _allocated("bare", "a", 10.0), _allocated("exact", "a", 20.0),
        _allocated("bare", "b", 50.0), _allocated("ha", "b", 100.0),
    ]  # fmt: skip
    part = report.PARTS["allocate"]
    text = report.page(report.counting(lines, part), part, "full")
    assert "| 1,000 | exact | 20.0 | - |" in text
    assert "| 1,000 | ha | 100.0 | 2.00 |" in text


def test_the_full_page_of_allocation_shows_figure_4(tmp_path: Path) -> None:
    report.write_page("allocate", "full", [_allocated("exact", "a", 20.0)], tmp_path, replace=False)
    figure = re.search(r"!\[Figure 4[^]]*\]\(([\w.]+)\)", (tmp_path / "bench_allocate_full.md").read_text("utf-8"))
    assert figure is not None
    assert "</svg>" in (tmp_path / figure[1]).read_text(encoding="utf-8")


def test_training_counts_the_turns_of_the_last_run_only() -> None:
    lines = [
        {"model": "ptofa", "source": source, "turn": turn, "run": run}
        for run, turns in (("a", 3), ("b", 2))
        for turn in range(turns)
        for source in ("tensors in memory", "fed by Petastorm")
    ]
    assert report.counting(lines, report.PARTS["train"]) == lines[6:]


def test_a_measured_job_that_fails_ends_the_benchmark_and_names_its_log(tmp_path: Path) -> None:
    script, log = tmp_path / "job.py", tmp_path / "job.log"
    script.write_text("print('why'); raise SystemExit(3)", encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"job\.py --x=1 ended with exit code 3: see {log}"):
        measure_script(str(script), ["--x=1"], log)
    assert log.read_text(encoding="utf-8") == "why\n"


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


def test_the_page_of_table_1_is_made_from_the_lines_beside_it() -> None:
    (lines,) = (report.ROOT / "docs").rglob("table_1.jsonl")
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
def test_table_1_measures_real_customers_with_settings_of_training(tmp_path: Path) -> None:
    words = ["--scenario=completejourney", "--train=epochs=1 learning_rate=.002", "--models", "ptofa"]
    model, zero, mean = _table_1(tmp_path, *words)
    assert (model["scenario"], model["users"]) == ("completejourney epochs=1 learning_rate=.002", None)
    assert (model["learning_rate"], model["regret"]) == (0.002, None)
    assert (zero["predictor"], mean["predictor"]) == ("zero", "mean")
    # The next call measures nothing, and must not take what this call measured for its own.
    with pytest.raises(subprocess.CalledProcessError):
        _table_1(tmp_path, *words[:-1], "no_such_model", "--grid")
    assert len(rows(tmp_path / "table_1.jsonl")) == 3


def _table_1(folder: Path, *words: str) -> list[dict[str, Any]]:
    """The lines of a run of the benchmark with one seed. Its page is made from them."""
    lines = folder / "table_1.jsonl"
    asked = [f"--bench={folder}", f"--lines={lines}", "--seeds=1", *words]
    environment = os.environ | {"PYTHONPATH": str(report.ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, table_1.__file__, *asked], check=True, env=environment)
    found = rows(lines)
    assert lines.with_suffix(".md").read_text(encoding="utf-8") == table_1.page(found)
    return found
