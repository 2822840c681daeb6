"""Settings by name: one that was renamed goes on working, one that is another job's now is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptofa_spark.allocation.settings import AllocateSettings, AuditSettings
from ptofa_spark.allocation.what_if.settings import WhatIfSettings
from ptofa_spark.config import Settings, parse_job
from ptofa_spark.errors import ConfigError
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.pipeline.every_setting import SETTINGS
from ptofa_spark.running.session import SparkSettings
from tests.run_job import run_job

GIVEN = {
    "allocate": (AllocateSettings, ["--output=o", "--report=r"]),
    "audit": (AuditSettings, ["--allocation=a"]),
    "what_if": (WhatIfSettings, ["--report=r"]),
}


def scores(job: str, *words: str) -> str:
    settings: type[Settings]
    settings, others = GIVEN[job]
    taken, _ = parse_job(job, settings, SparkSettings, "", ["--funds=f", "--demands=d", *others, *words])
    assert isinstance(taken, AllocateSettings | AuditSettings | WhatIfSettings)
    return taken.scores


@pytest.mark.parametrize("job", GIVEN)
def test_expected_revenue_is_the_former_name_of_scores(job: str, tmp_path: Path) -> None:
    assert scores(job, "--scores=s") == scores(job, "--expected-revenue=s") == "s"
    file = tmp_path / "former.yaml"
    file.write_text(f"{job}: {{expected_revenue: of_the_file}}\n")
    assert scores(job, f"--config={file}") == "of_the_file"
    # The command line overrides the file, whichever name each of them uses.
    assert scores(job, f"--config={file}", "--scores=s") == "s"
    assert scores(job, f"--config={file}", "--expected-revenue=s") == "s"
    file.write_text(f"{job}: {{expected_revenue: one, scores: other}}\n")
    with pytest.raises(ConfigError, match=rf"^{job}: scores is given twice, once by its former name: give it once$"):
        scores(job, f"--config={file}")


# What evaluate was asked before it was three jobs, to the job and its setting now.
MOVED = {
    "table1": ("compare_models", None),
    "table1_warehouses": ("compare_models", "warehouses"),
    "table1_models": ("compare_models", "models"),
    "table1_seeds": ("compare_models", "seeds"),
    "campaign": ("simulate_campaign", None),
    "campaign_arms": ("simulate_campaign", "arms"),
    "campaign_k": ("simulate_campaign", "k"),
}


@pytest.mark.parametrize("name", MOVED)
def test_a_former_setting_of_evaluate_is_refused_by_the_name_of_the_job_that_has_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, now = MOVED[name]
    where = f"run the job {job}" if now is None else f"it is the setting {now} of the job {job}"
    said = f"error: evaluate: {name} has moved: {where}"
    option = f"--{name.replace('_', '-')}"
    assert now is None or now in SETTINGS[job].model_fields
    # A flag alone, a flag with a value, and a key of the file, whatever it says: the default was written there too.
    assert run_job("evaluate", option, capsys=capsys) == (2, said)
    assert run_job("evaluate", f"{option}=x", f"--report={tmp_path}/r", capsys=capsys) == (2, said)
    file = tmp_path / "former.yaml"
    for value in ("false", "null", "1"):
        file.write_text(f"evaluate: {{{name}: {value}}}\n")
        assert run_job("evaluate", f"--config={file}", capsys=capsys) == (2, said)
    assert [path.name for path in tmp_path.iterdir()] == ["former.yaml"]


def test_former_settings_of_two_jobs_are_one_line_that_names_both(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = run_job("evaluate", "--table1", "--campaign-k", "2", capsys=capsys)
    assert (code, line) == (
        2,
        "error: evaluate: table1 has moved: run the job compare_models; "
        "campaign_k has moved: it is the setting k of the job simulate_campaign",
    )


def test_former_settings_are_not_listed_by_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_job("evaluate", EvaluateSettings, SparkSettings, "", ["--help"])
    shown = capsys.readouterr().out
    assert "--allocations VALUE" in shown
    assert "table1" not in shown
    assert "campaign" not in shown


EVALUATIONS = ("evaluate", "compare_models", "simulate_campaign")


@pytest.mark.parametrize("job", EVALUATIONS)
def test_each_job_of_the_evaluation_refuses_the_settings_of_the_others(
    job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = set(SETTINGS[job].model_fields)
    others = set().union(*(SETTINGS[each].model_fields for each in EVALUATIONS)) - own
    assert others
    for name in others:
        code, line = run_job(job, f"--{name.replace('_', '-')}=3", capsys=capsys)
        assert code == 2
        assert f"unrecognized arguments: --{name.replace('_', '-')}=3" in line
        (tmp_path / "other.yaml").write_text(f"{job}: {{{name}: 3}}\n")
        code, line = run_job(job, f"--config={tmp_path}/other.yaml", capsys=capsys)
        assert code == 2
        assert line.startswith(f"error: {job}: unknown key {name!r}; allowed: ")
