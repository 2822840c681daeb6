"""On a standalone cluster, by spark-submit and the package alone, jobs write the bits of local mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from tests.allocation.campaign import LEVELS, Campaign
from tests.allocation.instances import feasible_instance
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


def test_an_allocation_on_a_cluster_is_that_of_local_mode(
    spark: SparkSession, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By Spark's passes, whose kernels the executors have from the package."""
    campaign = Campaign(spark, tmp_path, feasible_instance(np.random.default_rng(11), 3_000, LEVELS[:4], k=2)).write()

    def words(name: str) -> list[str]:
        return campaign.words(
            output=tmp_path / name, report=tmp_path / f"{name}-report", driver_users=0, max_sweep_rows=5_000
        )

    assert run_job("allocate", *words("local"), capsys=capsys)[0] == 0
    # By default each of 30 passes over 3,000 users would be 200 tasks.
    conf = {"spark.sql.shuffle.partitions": "8"}
    submitted = cluster.submit("allocate", *words("cluster"), folder=tmp_path, conf=conf)
    output, _ = submitted.communicate(timeout=PATIENCE)
    assert submitted.returncode == 0, output[-2000:]
    local, other = (spark.read.format("delta").load(f"{tmp_path}/{name}") for name in ("local", "cluster"))
    assert local.count() == 2 * 3_000
    assert_same_table(local, other)
    plans = [(tmp_path / f"{name}-report" / "plan.json").read_text() for name in ("local", "cluster")]
    assert plans[0] == plans[1]


@pytest.mark.long
def test_the_whole_pipeline_on_a_cluster_writes_the_bits_of_local_mode(
    spark: SparkSession, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    tables = (*RAW, *FEATURES, "scores", *ALLOCATIONS)
    record_property("tables", {"a cluster, the whole pipeline": len(tables)})

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
    for table in tables:
        local, other = (
            spark.read.format("delta").load(f"{tmp_path}/{name}/warehouse/{table}") for name in ("local", "cluster")
        )
        assert local.count() > 0
        assert_same_table(local, other)
