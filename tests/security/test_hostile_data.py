"""Ids, columns and files that are made to do harm."""

from __future__ import annotations

import ast
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.feed.petastorm_reader import read_row_groups
from ptofa_spark.feed.row_groups import RowGroupTransform
from ptofa_spark.running.redaction import without_secrets
from ptofa_spark.tables.names import TableName, in_warehouse, quoted, sql_string
from tests.jvm.one_session import run_in_one_session
from tests.run_job import JOBS, run_job

CAMPAIGNS = ("' OR true -- ${spark.app.name}", "../../a\\' OR true --")
LIBRARY = JOBS.parent / "ptofa_spark"
HOSTILE = (
    "'; DROP TABLE scores; --", "' OR 1=1 --", "`x` = 1 OR `y", "a\\' OR true --", "\\", "../../../outside",
    "/etc/passwd", "${env:HOME}", "\U0001f4c8",
    "{0}", "a\nb", "<script>alert(1)</script>", "=cmd|' /C calc'!A1", "基金", "%2e%2e%2f",
)  # fmt: skip


def calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_nothing_in_the_library_runs_data() -> None:
    forbidden = {"eval", "exec", "compile", "__import__", "torch.load", "yaml.load", "os.system", "os.popen"}
    seen = 0
    for path in [*LIBRARY.rglob("*.py"), *JOBS.glob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & {"pickle", "cloudpickle", "joblib", "shelve", "marshal", "dill"}, path
        assert not calls(tree) & forbidden, path
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_reaches_sql_unchanged(spark: SparkSession, text: str) -> None:
    frame = spark.createDataFrame([(text, 1), ("other", 2)], "id string, n int")
    assert [row["n"] for row in frame.where(f"id = {sql_string(text)}").collect()] == [1]
    if text.strip() and "\n" not in text:
        odd = frame.withColumnRenamed("n", text)
        assert [row[0] for row in odd.select(F.col(quoted(text)) + 1).collect()] == [2, 3]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_place_is_a_catalog_name_only_if_it_looks_like_one(text: str) -> None:
    assert not TableName.parse(text).in_catalog
    assert in_warehouse("/data/w", "scores") == "/data/w/scores"


def test_hostile_ids_pass_through_an_allocation_unchanged(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ids reach replaceWhere, JSON and the output. No other file is changed or written."""
    root = tmp_path / "root"
    root.mkdir()
    rng = np.random.default_rng(5)
    users = len(HOSTILE) * 3
    pairs = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(users), len(HOSTILE)),
            "risk_tolerance": 5,
            "fund_id": HOSTILE * users,
            "expected_revenue": rng.random(users * len(HOSTILE)),
        }
    )
    pairs.to_parquet(root / "pairs", index=False)
    pd.DataFrame({"fund_id": HOSTILE, "risk_level": 1}).to_parquet(root / "funds", index=False)
    asked = [(name, fund, 3) for name in CAMPAIGNS for fund in HOSTILE]
    pd.DataFrame(asked, columns=["campaign_id", "fund_id", "demand"]).to_parquet(root / "demands", index=False)
    words = [f"--{name}={root}/{name}" for name in ("funds", "demands")]
    words += [f"--scores={root}/pairs", f"--output={root}/allocation"]
    for name in (*CAMPAIGNS, CAMPAIGNS[0]):  # the last replaces the first, and only that one
        code, line = run_job("allocate", *words, f"--report={root}/report", f"--campaign-id={name}", capsys=capsys)
        assert code == 0, line
    found = spark.read.format("delta").load(f"{root}/allocation").toPandas()
    assert found.groupby("campaign_id").size().to_dict() == dict.fromkeys(CAMPAIGNS, users)
    assert set(found["fund_id"]) == set(HOSTILE)
    told = json.loads((root / "report" / "allocation.json").read_text(encoding="utf-8"))
    assert {fund["fund_id"] for fund in told["funds"]} == set(HOSTILE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]
    assert sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) == [
        "allocation", "demands", "funds", "pairs", "report",
    ]  # fmt: skip


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.place, "ran")


def test_metadata_that_petastorm_would_unpickle_is_not_read(tmp_path: Path) -> None:
    rows = pa.table({"x": np.arange(100, dtype=np.float64)})
    pq.write_table(rows, tmp_path / "part-0.parquet")
    hostile = {b"dataset-toolkit.unischema.v1": pickle.dumps(Payload(tmp_path / "ran"))}
    pq.write_metadata(rows.schema.with_metadata(hostile), tmp_path / "_common_metadata")
    pq.write_table(rows.replace_schema_metadata(hostile), tmp_path / "part-1.parquet")
    files = tuple(f"file://{tmp_path}/part-{number}.parquet" for number in (0, 1))
    as_it_is = RowGroupTransform(lambda frame: frame, {"x": np.float64})
    assert sum(len(group["x"]) for group in read_row_groups(files, ["x"], as_it_is, None)) == 200
    assert not (tmp_path / "ran").exists()


def test_a_secret_in_a_uri_is_never_shown(tmp_path: Path) -> None:
    """Not in the one line, in the trace that --debug shows, or in the log."""
    secret = "geheim-4711"
    places = (f"postgresql://anna:{secret}@127.0.0.1:1/runs", f"https://127.0.0.1:1/x?token={secret}")
    jobs = [[str(JOBS / "train.py"), "--debug", f"--warehouse={place}"] for place in places]
    for done in run_in_one_session(jobs, tmp_path, os.environ):
        assert done.returncode != 0
        assert done.stderr.splitlines()[-1].startswith("error: a table's place cannot be used")
        assert "Traceback" in done.stderr
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://anna:ge/heim-4711@db/x", "s3a://KEY:geheim-4711@bucket/x", "https://geheim-4711@host/x",
        "s3://b/x?X-Amz-Signature=geheim-4711&list=1", "https://h/x?access_token=geheim-4711", "sas_token=geheim-4711",
        "client_secret=geheim-4711;x=1", "fs.azure.account.apikey=geheim-4711",
    ],
)  # fmt: skip
def test_secrets_are_hidden(text: str) -> None:
    assert "geheim" not in without_secrets(f"cannot reach {text}")


def test_text_without_a_secret_is_shown() -> None:
    for open_text in ("abfss://files@account.dfs.core.windows.net/x", "run=1 stage=train rows=3", "https://h:80/x"):
        assert without_secrets(open_text) == open_text
