"""What undisturbed runs of the stages leave: the tables that every disturbed, moved or repeated run must equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from pyspark.sql import SparkSession

from tests.faults.cluster import ROOT, Cluster
from tests.faults.stages import PATIENCE, STAGES, Reference, fingerprint

UNDISTURBED = Path(__file__).parent / "undisturbed.py"


@pytest.fixture(scope="session")
def reference(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Reference:
    """The stages, one after another, undisturbed. All test processes share one run of them."""
    own = tmp_path_factory.getbasetemp()
    root = (own if worker_id == "master" else own.parent) / "reference"
    done = root.with_suffix(".json")
    with FileLock(root.with_suffix(".lock")):
        if not done.exists():
            done.write_text(json.dumps(_undisturbed(spark, root)), encoding="utf-8")
        return Reference(root, **json.loads(done.read_text(encoding="utf-8")))


def _undisturbed(spark: SparkSession, root: Path) -> dict[str, object]:
    root.mkdir()
    run = subprocess.run(
        [sys.executable, str(UNDISTURBED)],
        cwd=root, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    seconds = json.loads(run.stdout.splitlines()[-1])
    seen = {place: fingerprint(spark, root / place) for stage in STAGES.values() for place in stage.writes}
    assert None not in seen.values()
    return {"seconds": seconds, "seen": seen}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A standalone cluster of two workers."""
    running = Cluster(tmp_path_factory.mktemp("cluster") / "spark")
    yield running
    running.stop()
