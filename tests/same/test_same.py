"""`make same` sees every difference that a refactoring must not make, and names it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather
from safetensors.numpy import save_file

from tests.same import same
from tests.same.differences import differences
from tests.same.small_runs import all_runs, write_inputs


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The same small results twice."""
    for name in ("before", "now"):
        (root := tmp_path / name).mkdir()
        (root / "exit_codes.json").write_text('{"ha": 0}')
        table = pa.table({"campaign_id": ["spring"] * 2, "user_id": [1, 2], "expected_revenue": [0.0, 2.5]})
        (root / "tables").mkdir()
        feather.write_feather(table, str(root / "tables" / "ha.arrow"))
        (root / "ha").mkdir()
        (root / "ha" / "allocation.json").write_text(json.dumps({"objective": 2.5, "seconds": {"read": name}}))
        (root / "model").mkdir()
        save_file({"bias": np.array([0.5, 0.0], np.float32)}, str(root / "model" / "model.safetensors"))
        # The files of a Delta table have other names at every write: they are not compared.
        (root / "allocation" / "_delta_log").mkdir(parents=True)
        (root / "allocation" / "_delta_log" / "plan.json").write_text(f'"{name}"')
    return tmp_path / "before", tmp_path / "now"


def test_the_seconds_of_a_run_are_no_difference(folders: tuple[Path, Path]) -> None:
    assert differences(*folders) == []


def test_each_difference_is_named_by_its_place(folders: tuple[Path, Path]) -> None:
    _, now = folders
    (now / "exit_codes.json").write_text('{"ha": 2}')
    table = pa.table({"campaign_id": ["spring"] * 2, "user_id": [1, 2], "expected_revenue": [-0.0, 2.5000000000000004]})
    feather.write_feather(table, str(now / "tables" / "ha.arrow"))
    (now / "ha" / "allocation.json").write_text('{"objective": 2, "users": 1, "seconds": {}}')
    (now / "ha" / "plan.json").write_text("{}")
    save_file({"bias": np.array([0.5, 1e-9], np.float32)}, str(now / "model" / "model.safetensors"))
    row = "tables/ha.arrow: row {} (campaign_id='spring', user_id={}, expected_revenue={}), column expected_revenue: "
    assert differences(*folders) == [
        "ha/plan.json: only now",
        "exit_codes.json: ha: 0 before, 2 now",
        "ha/allocation.json: objective: 2.5 before, 2 now",
        "ha/allocation.json: users: only now",
        "model/model.safetensors: weight bias, number 1: 0.0 before, 1e-09 now",
        row.format(0, 1, "0.0") + "0.0 before, -0.0 now",
        row.format(1, 2, "2.5") + "2.5 before, 2.5000000000000004 now",
    ]


def test_a_file_may_be_left_out(folders: tuple[Path, Path]) -> None:
    (folders[1] / "ha" / "allocation.json").write_text("{}")
    assert differences(*folders) != []
    assert differences(*folders, without=frozenset({"allocation.json"})) == []


def test_a_missing_row_is_named(folders: tuple[Path, Path]) -> None:
    before, now = folders
    table = feather.read_table(before / "tables" / "ha.arrow")
    feather.write_feather(table.slice(1), str(now / "tables" / "ha.arrow"))
    assert differences(before, now) == ["tables/ha.arrow: 2 rows before, 1 now"]


def test_a_renamed_column_is_named(folders: tuple[Path, Path]) -> None:
    before, now = folders
    table = feather.read_table(before / "tables" / "ha.arrow")
    feather.write_feather(
        table.rename_columns(["campaign_id", "user", "expected_revenue"]), now / "tables" / "ha.arrow"
    )
    assert differences(before, now) == ["tables/ha.arrow: columns before ['user_id int64'], now ['user int64']"]


def test_the_runs_cover_every_combination(tmp_path: Path) -> None:
    runs = [run.options for run in all_runs() if run.job == "allocate"]
    covered = {(run.get("method", "ha"), run["demand_mode"], run["k"], run.get("driver_users", 1)) for run in runs}
    modes = ("exact", "at-most", "partial", "scale")
    for method in ("manual", "ha", "exact", "mincostflow"):
        assert {(method, mode, k, by) for mode in modes for k in (1, 2, 3) for by in (0, 1)} <= covered
    assert {("ip", mode, k, 1) for mode in modes for k in (1, 2, 3)} <= covered
    write_inputs(tmp_path / "inputs")
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")}
    asked = {run[table] for run in runs for table in ("expected_revenue", "funds", "demands")}
    assert asked == files


def test_a_base_that_is_no_commit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert same.main(["nowhere"]) == 2
    assert capsys.readouterr().err == ("error: 'nowhere' is no commit of this repository: make same BASE=<commit>\n")


@pytest.mark.parametrize("words", [[], ["HEAD", "--python=python3"]])
def test_a_commit_or_a_stack_is_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert same.main(words) == 2
    assert capsys.readouterr().err.startswith("error: name a commit or a stack: ")


def test_a_proof_needs_at_least_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert same.main(["HEAD", "--only", "no such run"]) == 2
    assert "no run has 'no such run' in its name" in capsys.readouterr().err


@pytest.mark.parametrize("ends", ["exit 3", "kill -9 $$"])
def test_a_run_that_fails_stops_the_others(ends: str) -> None:
    failing, going = (subprocess.Popen(["bash", "-c", words]) for words in (ends, "exec sleep 600"))
    assert same.wait_until_one_fails([going, failing]) == [failing]
    assert going.returncode is not None


@pytest.mark.long
def test_a_planted_change_of_one_line_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """HA's heuristic score with another sign of alpha, in a copy of the working tree."""
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=same.ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=tmp_path, input=packed.stdout, check=True)
    shutil.copytree(same.ROOT / ".git", tmp_path / ".git")
    monkeypatch.setattr(same, "ROOT", tmp_path)
    assert same.main(["HEAD", "--only", "ha-exact-1-driver"]) == 0
    planted = tmp_path / "ptofa_spark" / "allocation" / "heuristic" / "alphas.py"
    text = planted.read_text()
    changed = text.replace("return ", "return -1.0 * ", 1)
    assert changed != text
    planted.write_text(changed)
    assert same.main(["HEAD", "--only", "ha-exact-1-driver"]) == 1
    assert "tables/allocations/ha-exact-1-driver.arrow: row " in capsys.readouterr().out
