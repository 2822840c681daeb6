"""A trial of a predictor: train, score, allocate, and measure the allocation under the simulator's truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.config import validated
from ptofa_spark.errors import TableError
from ptofa_spark.evaluation.truth.oracle import true_scores
from ptofa_spark.evaluation.truth.regret import require_optimal
from ptofa_spark.evaluation.truth.true_worth import TrueWorth, true_worth
from ptofa_spark.scoring.score import score
from ptofa_spark.scoring.settings import ScoreSettings
from ptofa_spark.tables.contracts.schemas import ALLOCATION, TRUTH, USER_FEATURES
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.snapshots import of_snapshot
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.opening import table_exists
from ptofa_spark.tables.reading import read_table
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import train

EXACT = "exact"


@dataclass(frozen=True)
class CampaignTerms:
    """The settings that all allocations of a trial share, as in `AllocateSettings`.

    demands, exposures: names of tables in the warehouse; exposures is None if no log sets the priority of `manual`.
    """

    demands: str = "demands"
    exposures: str | None = None
    k: int = 1
    demand_mode: str = "exact"


class Trial:
    """Runs predictors and allocation methods on one warehouse. The caller names tables as the warehouse does.

    users: rows of USER_FEATURES of the snapshot, one per user of the campaign; truth: rows of TRUTH, None if the data
    are not simulated.
    """

    def __init__(
        self,
        spark: SparkSession,
        warehouse: str,
        snapshot_date: date | None,
        report: str,
        tables: PinnedTables,
        terms: CampaignTerms,
    ) -> None:
        """report: folder that gets a subfolder per allocation; tables: pins versions; terms: of every allocation."""
        self._spark, self._warehouse, self._snapshot_date = spark, warehouse, snapshot_date
        self._report, self._terms = Path(report), terms
        truth, users = self.table("truth"), self.table("user_features")
        self.users = of_snapshot(tables.read(users, USER_FEATURES), users, snapshot_date)
        self.truth = tables.read(truth, TRUTH) if table_exists(spark, truth) else None

    def table(self, name: str) -> str:
        """The full name of the table."""
        return in_warehouse(self._warehouse, name)

    def campaign_id(self) -> str:
        """The campaign of the users.

        Raises:
            TableError: there is no user.
        """
        first = self.users.select("campaign_id").first()
        if first is None:
            raise TableError(f"table {self.table('user_features')} has no user: run build_features")
        return str(first["campaign_id"])

    def known_truth(self) -> DataFrame:
        """The truth, for callers that need it.

        Raises:
            TableError: the warehouse holds none.
        """
        if self.truth is None:
            raise TableError(
                f"table {self.table('truth')} does not exist: only a simulated platform has a truth, from which "
                "outcomes are drawn and allocations are measured; run generate_platform"
            )
        return self.truth

    def training(self, section: Mapping[str, Any], model: str, seed: int, model_dir: str) -> TrainSettings:
        """The settings of a training. section: the config file's section `train`; the other arguments override it.

        Raises:
            ConfigError: a setting of the section is unknown, or outside its bounds.
        """
        fixed = {"warehouse": self._warehouse, "snapshot_date": self._snapshot_date}
        return validated(
            TrainSettings, {**section, **fixed, "model": model, "seed": seed, "model_dir": model_dir}, "train"
        )

    def train(self, wanted: TrainSettings) -> TrainSettings:
        """Trains a model into its folder. Returns the settings it was trained with; after a grid, the chosen ones."""
        return train(self._spark, wanted).chosen.settings

    def score(self, model_dir: str, output: str) -> None:
        """Writes the model's scores of all users."""
        wanted = ScoreSettings(
            warehouse=self._warehouse,
            model_dir=model_dir,
            output=self.table(output),
            snapshot_date=self._snapshot_date,
        )
        score(self._spark, wanted)

    def true_scores(self) -> DataFrame:
        """The oracle's scores: rows of COMPACT_SCORES whose expected revenue is the truth's own."""
        return true_scores(self.users, self.known_truth())

    def allocate(self, scores: str, campaign_id: str, method: str, output: str, report: str) -> AllocationSummary:
        """Allocates the scores of a campaign and returns the summary. report: a subfolder of the trial's folder."""
        terms = self._terms
        given = {
            "scores": self.table(scores),
            "funds": self.table("funds"),
            "demands": self.table(terms.demands),
            "exposures": None if terms.exposures is None else self.table(terms.exposures),
            "output": self.table(output),
            "report": str(self._report / report),
            "campaign_id": campaign_id,
            "method": method,
            "k": terms.k,
            "demand_mode": terms.demand_mode,
        }
        return allocate(self._spark, validated(AllocateSettings, given, "allocate"))

    def worth(self, allocations: str, campaign_id: str) -> TrueWorth:
        """The expected conversions and revenue of a campaign's allocation under the truth."""
        rows = read_table(self._spark, self.table(allocations), ALLOCATION)
        return true_worth(rows.where(F.col("campaign_id") == campaign_id), self.known_truth())

    def optimum(self, scores: str, campaign_id: str, output: str, report: str) -> TrueWorth:
        """The worth, under the truth, of the allocation that is optimal for a campaign's scores.

        Raises:
            UserError: `exact` did not prove the optimum.
        """
        require_optimal(self.allocate(scores, campaign_id, EXACT, output, report))
        return self.worth(output, campaign_id)
