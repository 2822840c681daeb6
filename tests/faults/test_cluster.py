"""The whole pipeline on a standalone cluster, by spark-submit and the wheel alone, writes the bits of local mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.faults.cluster import Cluster
from tests.faults.stages import PATIENCE
from tests.run_job import run_job
from tests.same_table import assert_same_table

RAW = ("users", "funds", "campaigns", "transactions", "exposures", "demands", "truth")
FEATURES = ("user_features", "fund_features", "examples")
ALLOCATIONS = ("allocation_manual", "allocation_ha", "allocation_exact")
CONFIG = """\
generate_platform: {weeks: 3}
train: {epochs: 1, processes: 1}
spark: {shuffle_partitions: 4}
"""


def test_a_cluster_writes_the_bits_of_local_mode(
    spark: SparkSession, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def words(name: str) -> list[str]:
        places = ["--warehouse", str(tmp_path / name / "warehouse"), "--report", str(tmp_path / name / "reports")]
        return ["--config", str(tmp_path / "conf.yaml"), *places, "--users", "2000"]

    (tmp_path / "conf.yaml").write_text(CONFIG)
    assert run_job("run_pipeline", *words("local"), capsys=capsys)[0] == 0
    submitted = cluster.submit("run_pipeline", *words("cluster"), folder=tmp_path)
    output, _ = submitted.communicate(timeout=PATIENCE)
    assert submitted.returncode == 0, output[-2000:]
    assert f"report: {tmp_path}/cluster/reports/report.html" in output
    weights = [tmp_path / name / "warehouse/model/model.safetensors" for name in ("local", "cluster")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    for table in (*RAW, *FEATURES, "scores", *ALLOCATIONS):
        local, other = (
            spark.read.format("delta").load(f"{tmp_path}/{name}/warehouse/{table}") for name in ("local", "cluster")
        )
        assert local.count() > 0
        assert_same_table(local, other)
