"""A run of the whole pipeline, and what every run must have kept."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.tables.names import in_warehouse
from tests.run_job import job_module


@dataclass(frozen=True)
class Run:
    """A finished run. root: folder of its reports; warehouse: a folder or a schema; evaluation: as it wrote it."""

    spark: SparkSession
    root: Path
    warehouse: str
    evaluation: dict[str, Any]

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def table(self, name: str) -> DataFrame:
        place = in_warehouse(self.warehouse, name)
        return self.spark.read.format("delta").load(place) if "/" in place else self.spark.table(place)

    def summary(self, method: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.reports / method / "allocation.json").read_text())
        return found


def run_pipeline(spark: SparkSession, root: Path, warehouse: str, config: str, *words: str) -> Run:
    """Runs the job `run_pipeline` with this config file. Its model and its reports are in the root."""
    (root / "conf").mkdir()
    file = root / "conf" / "cluster.yaml"
    file.write_text(config)
    places = ("--warehouse", warehouse, "--report", str(root / "reports"), "--model-dir", str(root / "model"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = job_module("run_pipeline").main(["--config", str(file), *places, *words])
    assert (code, printed.getvalue().splitlines()[-1]) == (0, f"report: {root}/reports/report.html")
    return Run(spark, root, warehouse, json.loads((root / "reports" / "evaluation.json").read_text()))


def assert_ha_meets_every_constraint(done: Run) -> None:
    """C1, C2, C3 from the tables, by pandas."""
    rows = done.table("allocation_ha").toPandas()
    users = done.table("scores").select("user_id", "risk_tolerance").toPandas()
    levels = done.table("funds").select("fund_id", "risk_level").toPandas()
    demands = done.table("demands").toPandas()
    demands = demands[demands["campaign_id"] == rows["campaign_id"].iloc[0]].set_index("fund_id")["demand"]
    assert sorted(rows["user_id"]) == sorted(users["user_id"])  # C1, K = 1
    assert rows.groupby("fund_id").size().reindex(demands.index, fill_value=0).tolist() == demands.tolist()  # C2
    joined = rows.merge(users, on="user_id").merge(levels, on="fund_id")
    assert (joined["risk_level"] <= joined["risk_tolerance"]).all()  # C3
    assert done.summary("ha")["violations"] == {"c1": 0, "c2": 0, "c3": 0}
