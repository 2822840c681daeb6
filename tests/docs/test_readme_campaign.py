"""The campaign on README's first screen ends as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.run_job import run_job

README = Path(__file__).parents[2] / "README.md"


def test_the_first_campaign_ends_as_readme_says(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = README.read_text(encoding="utf-8")
    inputs = dict(re.findall(r"`(\w+)\.csv`\n\n```csv\n(.*?)```", text, flags=re.DOTALL))
    output = re.search(r"Output of `ptofa allocate --method exact`:\n\n```csv\n(.*?)```", text, flags=re.DOTALL)
    assert set(inputs) == {"scores", "funds", "demands"}
    assert output is not None
    words = ["--method=exact", f"--output={tmp_path}/allocation", f"--report={tmp_path}/report"]
    for name, content in inputs.items():
        (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
        words.append(f"--{name}={tmp_path}/{name}.csv")
    code, line = run_job("allocate", *words, capsys=capsys)
    assert code == 0, line
    assert line.startswith("exact: objective 14.00, 4 of 4 users served, off C1 0, off C2 0, off C3 0")
    rows = spark.read.format("delta").load(f"{tmp_path}/allocation").orderBy("user_id", "slot").collect()
    assert [",".join(map(str, row)) for row in rows] == output[1].splitlines()[1:]
