"""One small campaign, written again for each test that uses it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from tests.allocation.campaign import LEVELS, Campaign
from tests.allocation.instances import feasible_instance


@pytest.fixture
def campaign(spark: SparkSession, tmp_path: Path) -> Campaign:
    return Campaign(spark, tmp_path, feasible_instance(np.random.default_rng(3), 400, LEVELS, k=2)).write()
