"""An allocation instance, written as the tables that a user of `allocate` has."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from tests.allocation.instances import Instance

LEVELS = np.array([1, 1, 2, 3, 3, 4, 5, 5])
IDS = ["基金", "bond", "cash", "équité", "gold", "o'hare", "tech`x", "zeta"]  # sorted, as the allocator sorts them


class Campaign:
    """The tables of an instance, as pandas; a test may change them before it writes them."""

    def __init__(self, spark: SparkSession, root: Path, instance: Instance) -> None:
        self.spark, self.root, self.instance = spark, root, instance
        funds = len(instance.demand)
        self.ids = sorted(IDS)[:funds]
        self.levels = LEVELS[:funds]
        tolerance = np.array([self.levels[row].max() for row in instance.eligible])
        user, fund = np.nonzero(np.ones_like(instance.eligible))
        self.pairs = pd.DataFrame(
            {
                "user_id": user * 3 - 500,
                "risk_tolerance": tolerance[user].astype("int32"),
                "fund_id": np.array(self.ids)[fund],
                "expected_revenue": np.nan_to_num(instance.expected_revenue[user, fund], nan=1e9),
            }
        )
        self.funds = pd.DataFrame({"fund_id": self.ids, "risk_level": self.levels.astype("int32"), "type": "x"})
        self.demands = pd.DataFrame({"campaign_id": "spring", "fund_id": self.ids, "demand": instance.demand})

    def write(self, form: str = "files", partitions: int = 3) -> Campaign:
        """Writes the tables.

        form: a format of Spark; or `files`, Parquet that pandas writes in a hundredth of the time.
        """
        for name in ("pairs", "funds", "demands"):
            rows = getattr(self, name)
            if form == "files":
                shutil.rmtree(self.root / name, ignore_errors=True)
                (self.root / name).mkdir()
                for part in range(partitions):
                    rows[part::partitions].to_parquet(self.root / name / f"{part}.parquet", index=False)
                continue
            frame = self.spark.createDataFrame(rows).repartition(partitions)
            frame.write.format(form).options(header=True, overwriteSchema=True).mode("overwrite").save(
                str(self.root / name)
            )
        return self

    def arguments(self, output: str = "allocation", **more: object) -> dict[str, object]:
        """Settings of `allocate`. A new output costs half of what one does whose rows are replaced."""
        return {
            "expected_revenue": str(self.root / "pairs"),
            "funds": str(self.root / "funds"),
            "demands": str(self.root / "demands"),
            "output": str(self.root / output),
            "report": str(self.root / "report"),
            "k": self.instance.k,
            "max_sweep_rows": 40,
        } | more

    def words(self, **more: object) -> list[str]:
        given = self.arguments(**more)  # type: ignore[arg-type]
        return [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", str(value))]

    def allocation(self, output: str = "allocation") -> DataFrame:
        return self.spark.read.format("delta").load(str(self.root / output))
