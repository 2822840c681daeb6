"""Table 2 of the paper: arms of users, each with a predictor and an optimiser, in a campaign drawn from the truth.

Beside what was drawn stands what the truth expects, and regret: how much less than the best allocation of its users an
arm is worth. It is split in two. Prediction regret would be left if the arm's own E were allocated optimally;
optimisation regret is what the arm's optimiser loses, or by luck gains, on top of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.config import validated
from ptofa_spark.errors import TableError
from ptofa_spark.evaluation.logged.lifts import ArmOutcome, Resampled, resampled
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.evaluation.table_2.arm_result import ArmResult
from ptofa_spark.evaluation.table_2.arms import ORACLE, Arm, arm_demands, arm_scores, parse_arms
from ptofa_spark.evaluation.table_2.text import TABLE_2, table_2_page
from ptofa_spark.evaluation.truth.oracle import true_scores
from ptofa_spark.evaluation.truth.regret import require_optimal
from ptofa_spark.evaluation.truth.simulated_outcomes import converted_exposures
from ptofa_spark.evaluation.truth.true_worth import TrueWorth, true_worth
from ptofa_spark.running.progress import stage
from ptofa_spark.running.whole_file import write_json, write_whole
from ptofa_spark.scoring.score import score
from ptofa_spark.scoring.settings import ScoreSettings
from ptofa_spark.tables.contracts.schemas import ALLOCATION, COMPACT_SCORES, DEMANDS, TRUTH, USER_FEATURES
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.snapshots import of_snapshot
from ptofa_spark.tables.delta.targets import require_targets
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.opening import table_exists
from ptofa_spark.tables.reading import read_table
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import train

JSON = "table_2.json"
_EXACT = "exact"
_KINDS = ("scores", "true_scores", "demands", "allocation", "optimum")
_WRITTEN = tuple(f"campaign_{kind}" for kind in _KINDS)


def table_2(spark: SparkSession, settings: EvaluateSettings, train_section: dict[str, Any]) -> str:
    """Runs the campaign, writes `table_2.json` and `table_2.md`, and returns the page's text.

    Args:
        spark: the session.
        settings: warehouse, arms, K and seed.
        train_section: settings of the predictors' trainings.

    Raises:
        ConfigError: an arm is unknown.
        TableError: the warehouse holds no truth, so no outcome can be drawn.
        UserError: a table is missing, or an arm's users cannot be given its demands.
    """
    arms = parse_arms(settings.campaign_arms)
    with stage("campaign", arms=settings.campaign_arms) as report:
        campaign = _Campaign(spark, settings, arms)
        campaign.prepare(train_section)
        results = campaign.results()
        directory = Path(settings.report)
        page = table_2_page(results, settings.campaign_k)
        write_json(directory / JSON, [asdict(result) for result in results])
        write_whole(directory / TABLE_2, page)
        report.counts |= {"users": sum(result.users for result in results), "report": settings.report}
    return page


class _Campaign:
    """The tables of one simulated campaign; all of them named `campaign_*` in the warehouse."""

    def __init__(self, spark: SparkSession, settings: EvaluateSettings, arms: tuple[Arm, ...]) -> None:
        self._spark, self._settings, self._arms = spark, settings, arms
        truth = self._table("truth")
        if not table_exists(spark, truth):
            raise TableError(f"table {truth} is not there: only a simulated platform has outcomes to draw")
        require_targets(spark, settings.warehouse, _WRITTEN)
        tables = PinnedTables(spark)
        self._truth = tables.read(truth, TRUTH)
        users = self._table("user_features")
        self._users = of_snapshot(tables.read(users, USER_FEATURES), users, settings.snapshot_date)

    def prepare(self, train_section: dict[str, Any]) -> None:
        """Trains the predictors, and writes the arms' scores, the truth's for the same users, and the demands."""
        first = self._users.select("campaign_id").first()
        if first is None:
            raise TableError(f"table {self._table('user_features')} has no user: run build_features")
        predictors = dict.fromkeys(arm.predictor for arm in self._arms)
        scores = {name: self._scores(name, train_section) for name in predictors}
        seed = self._settings.seed
        write_table(arm_scores(scores, self._arms, seed), self._table("campaign_scores"), kind="scores")
        if _needs_true_scores(self._arms):
            true = true_scores(self._users, self._truth)
            same = arm_scores(dict.fromkeys(predictors, true), self._arms, seed)
            write_table(same, self._table("campaign_true_scores"), kind="scores")
        demands = arm_demands(
            read_table(self._spark, self._table("demands"), DEMANDS), str(first["campaign_id"]), self._arms
        )
        write_table(demands.coalesce(1), self._table("campaign_demands"), kind="demands")

    def results(self) -> list[ArmResult]:
        """Allocates every arm, draws its outcomes and compares it with the best."""
        allocations = self._table("campaign_allocation")
        summaries = {
            arm: self._allocate(arm, "campaign_scores", arm.method, allocations, "campaign_arms") for arm in self._arms
        }
        shown = PinnedTables(self._spark).read(allocations, ALLOCATION)
        outcomes = self._outcomes(shown, summaries)
        settings = self._settings
        drawn = {
            arm: resampled(outcomes[arm], settings.bootstrap, settings.seed + place)
            for place, arm in enumerate(self._arms)
        }
        worth = {arm: self._worth(allocations, arm) for arm in self._arms}
        return [self._result(arm, summaries[arm], outcomes[arm], drawn, worth[arm]) for arm in self._arms]

    def _result(
        self,
        arm: Arm,
        summary: AllocationSummary,
        outcome: ArmOutcome,
        drawn: dict[Arm, Resampled],
        expected: TrueWorth,
    ) -> ArmResult:
        of_prediction, best = expected, expected
        if arm.method == _EXACT:
            require_optimal(summary)
        else:
            of_prediction = self._solved(arm, "campaign_scores")
        best = of_prediction if arm.predictor == ORACLE else self._solved(arm, "campaign_true_scores")
        most = best.revenue or 1.0
        first = self._arms[0]
        return ArmResult(
            predictor=arm.predictor,
            method=arm.method,
            users=summary.users,
            users_served=summary.users_served,
            violations=summary.violations,
            conversions=int(outcome.conversions.sum()),
            drawn=drawn[arm].rates(),
            lift=None if arm == first else drawn[arm].lift_over(drawn[first]),
            expected=expected,
            regret=(best.revenue - expected.revenue) / most,
            prediction_regret=(best.revenue - of_prediction.revenue) / most,
            optimisation_regret=(of_prediction.revenue - expected.revenue) / most,
        )

    def _outcomes(self, shown: DataFrame, summaries: dict[Arm, AllocationSummary]) -> dict[Arm, ArmOutcome]:
        """What the arms' users did; only those who convert come to the driver."""
        converted = converted_exposures(shown, self._truth, self._settings.seed)
        by_user = converted.groupBy("campaign_id", "user_id").agg(
            F.count("*").cast("double").alias("conversions"), F.sum("revenue").alias("revenue")
        )
        table = by_user.orderBy("campaign_id", "user_id").toArrow()
        arm_name = np.array(table["campaign_id"].to_pylist(), dtype=object)
        conversions, revenue = (table[name].to_numpy().astype(np.float64) for name in ("conversions", "revenue"))
        served = {row["campaign_id"]: row["users"] for row in _served(shown).collect()}
        found = {}
        for arm, summary in summaries.items():
            own = arm_name == arm.name
            users = served.get(arm.name, 0)
            found[arm] = ArmOutcome(summary.exposures, users, conversions[own], revenue[own])
        return found

    def _scores(self, predictor: str, train_section: dict[str, Any]) -> DataFrame:
        if predictor == ORACLE:
            return true_scores(self._users, self._truth)
        settings = self._settings
        model_dir = str(Path(settings.report) / "campaign_models" / predictor)
        fixed = {"warehouse": settings.warehouse, "snapshot_date": settings.snapshot_date, "seed": settings.seed}
        given = train_section | fixed | {"model": predictor, "model_dir": model_dir}
        train(self._spark, validated(TrainSettings, given, "train"))
        output = self._table(f"campaign_scores_{predictor}")
        wanted = ScoreSettings(
            warehouse=settings.warehouse, model_dir=model_dir, output=output, snapshot_date=settings.snapshot_date
        )
        score(self._spark, wanted)
        return read_table(self._spark, output, COMPACT_SCORES)

    def _solved(self, arm: Arm, scores: str) -> TrueWorth:
        """The true worth of the optimal allocation of some scores to the arm's users."""
        output = self._table("campaign_optimum")
        require_optimal(self._allocate(arm, scores, _EXACT, output, "campaign_optimum"))
        return self._worth(output, arm)

    def _allocate(self, arm: Arm, scores: str, method: str, output: str, reports: str) -> AllocationSummary:
        given = {
            "expected_revenue": self._table(scores),
            "funds": self._table("funds"),
            "demands": self._table("campaign_demands"),
            "exposures": self._table("exposures"),
            "output": output,
            "report": str(Path(self._settings.report) / reports / arm.name),
            "campaign_id": arm.name,
            "method": method,
            "k": self._settings.campaign_k,
            "demand_mode": "scale",
        }
        return allocate(self._spark, validated(AllocateSettings, given, "allocate"))

    def _worth(self, allocations: str, arm: Arm) -> TrueWorth:
        rows = read_table(self._spark, allocations, ALLOCATION).where(F.col("campaign_id") == arm.name)
        return true_worth(rows, self._truth)

    def _table(self, name: str) -> str:
        return in_warehouse(self._settings.warehouse, name)


def _needs_true_scores(arms: Sequence[Arm]) -> bool:
    return any(arm.predictor != ORACLE for arm in arms)


def _served(shown: DataFrame) -> DataFrame:
    return shown.groupBy("campaign_id").agg(F.countDistinct("user_id").alias("users"))
