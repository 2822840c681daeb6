"""A setting that was renamed goes on working under its former name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptofa_spark.allocation.settings import AllocateSettings, AuditSettings
from ptofa_spark.allocation.what_if.settings import WhatIfSettings
from ptofa_spark.config import Settings, parse_job
from ptofa_spark.errors import ConfigError
from ptofa_spark.running.session import SparkSettings

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
