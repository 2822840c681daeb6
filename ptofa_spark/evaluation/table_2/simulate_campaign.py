"""Table 2 of the paper: arms of users, each with a predictor and an optimiser, in a campaign drawn from the truth.

An arm has rates of the outcomes drawn, rates expected under the truth, and a regret. Regret is the share of revenue
that the arm's allocation loses, compared with the best allocation of its users. It has two parts. Prediction regret is
what the optimal allocation by the arm's own expected revenue loses. Optimisation regret is what the arm's optimiser
loses in addition. It is negative if the optimiser gains by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.evaluation.json_rows import write_rows
from ptofa_spark.evaluation.logged.lifts import ArmOutcome, Resampled, resampled
from ptofa_spark.evaluation.table_2.arm_result import TABLE_2_JSON, ArmResult
from ptofa_spark.evaluation.table_2.arms import Arm, arm_demands, arm_scores, parse_arms
from ptofa_spark.evaluation.table_2.settings import SimulateCampaignSettings
from ptofa_spark.evaluation.table_2.text import TABLE_2, table_2_page
from ptofa_spark.evaluation.trial import EXACT, CampaignTerms, Trial
from ptofa_spark.evaluation.truth.oracle import ORACLE
from ptofa_spark.evaluation.truth.regret import require_optimal
from ptofa_spark.evaluation.truth.simulated_outcomes import converted_exposures
from ptofa_spark.evaluation.truth.true_worth import TrueWorth
from ptofa_spark.running.progress import stage
from ptofa_spark.running.whole_file import write_whole
from ptofa_spark.tables.contracts.schemas import ALLOCATION, COMPACT_SCORES, DEMANDS
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.targets import require_targets
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.reading import read_table

_SCORES, _TRUE_SCORES, _DEMANDS = "campaign_scores", "campaign_true_scores", "campaign_demands"
_ALLOCATION, _OPTIMUM = "campaign_allocation", "campaign_optimum"
_WRITTEN = (_SCORES, _TRUE_SCORES, _DEMANDS, _ALLOCATION, _OPTIMUM)
# Folders of the report. Each has one subfolder per arm, with the arm's name.
_ARM_REPORTS, _OPTIMUM_REPORTS = "campaign_arms", "campaign_optimum"


def simulate_campaign(
    spark: SparkSession, settings: SimulateCampaignSettings, train_section: dict[str, Any]
) -> tuple[ArmResult, ...]:
    """Runs the campaign, writes `table_2.json` and `table_2.md`, and returns the results of the arms.

    Args:
        spark: the session.
        settings: warehouse, arms, K (funds per user) and seed.
        train_section: settings of the predictors' trainings.

    Raises:
        ConfigError: an arm is unknown.
        TableError: the warehouse holds no truth, so no outcome can be drawn.
        UserError: a table is missing, or the demands are infeasible for an arm's users.
    """
    arms = parse_arms(settings.arms)
    with stage("campaign", arms=settings.arms) as report:
        campaign = _Campaign(spark, settings, arms)
        campaign.prepare(train_section)
        results = campaign.results()
        directory = Path(settings.report)
        write_rows(directory / TABLE_2_JSON, results)
        write_whole(directory / TABLE_2, table_2_page(results))
        report.counts |= {"users": sum(result.users for result in results), "report": settings.report}
    return results


class _Campaign:
    """The tables of one simulated campaign. Their names in the warehouse are `campaign_*`."""

    def __init__(self, spark: SparkSession, settings: SimulateCampaignSettings, arms: tuple[Arm, ...]) -> None:
        self._spark, self._settings, self._arms = spark, settings, arms
        terms = CampaignTerms(demands=_DEMANDS, exposures="exposures", k=settings.k, demand_mode="scale")
        self._trial = Trial(
            spark, settings.warehouse, settings.snapshot_date, settings.report, PinnedTables(spark), terms
        )
        self._truth = self._trial.known_truth()
        require_targets(spark, settings.warehouse, _WRITTEN)

    def prepare(self, train_section: dict[str, Any]) -> None:
        """Trains the predictors. Writes the arms' scores, the true scores of the same users, and the demands."""
        campaign_id, table, seed = self._trial.campaign_id(), self._trial.table, self._settings.seed
        predictors = dict.fromkeys(arm.predictor for arm in self._arms)
        scores = {name: self._scores(name, train_section) for name in predictors}
        write_table(arm_scores(scores, self._arms, seed), table(_SCORES), kind="scores")
        if _needs_true_scores(self._arms):
            same = arm_scores(dict.fromkeys(predictors, self._trial.true_scores()), self._arms, seed)
            write_table(same, table(_TRUE_SCORES), kind="scores")
        demands = arm_demands(read_table(self._spark, table("demands"), DEMANDS), campaign_id, self._arms)
        write_table(demands.coalesce(1), table(_DEMANDS), kind="demands")

    def _scores(self, predictor: str, train_section: dict[str, Any]) -> DataFrame:
        if predictor == ORACLE:
            return self._trial.true_scores()
        model_dir = str(Path(self._settings.report) / "campaign_models" / predictor)
        self._trial.train(self._trial.training(train_section, predictor, self._settings.seed, model_dir))
        output = f"campaign_scores_{predictor}"
        self._trial.score(model_dir, output)
        return read_table(self._spark, self._trial.table(output), COMPACT_SCORES)

    def results(self) -> tuple[ArmResult, ...]:
        """Allocates every arm, draws its outcomes, and compares its allocation with the best one."""
        summaries = {
            arm: self._trial.allocate(_SCORES, arm.name, arm.method, _ALLOCATION, f"{_ARM_REPORTS}/{arm.name}")
            for arm in self._arms
        }
        shown = PinnedTables(self._spark).read(self._trial.table(_ALLOCATION), ALLOCATION)
        outcomes = self._outcomes(shown, summaries)
        settings = self._settings
        drawn = {
            arm: resampled(outcomes[arm], settings.bootstrap, settings.seed + place)
            for place, arm in enumerate(self._arms)
        }
        worth = {arm: self._trial.worth(_ALLOCATION, arm.name) for arm in self._arms}
        return tuple(self._result(arm, summaries[arm], outcomes[arm], drawn, worth[arm]) for arm in self._arms)

    def _optimum(self, arm: Arm, scores: str) -> TrueWorth:
        """The worth, under the truth, of the optimal allocation of the arm's users by these scores."""
        return self._trial.optimum(scores, arm.name, _OPTIMUM, f"{_OPTIMUM_REPORTS}/{arm.name}")

    def _result(
        self,
        arm: Arm,
        summary: AllocationSummary,
        outcome: ArmOutcome,
        drawn: dict[Arm, Resampled],
        expected: TrueWorth,
    ) -> ArmResult:
        of_prediction, best = expected, expected
        if arm.method == EXACT:
            require_optimal(summary)
        else:
            of_prediction = self._optimum(arm, _SCORES)
        best = of_prediction if arm.predictor == ORACLE else self._optimum(arm, _TRUE_SCORES)
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
            k=summary.k,
        )

    def _outcomes(self, shown: DataFrame, summaries: dict[Arm, AllocationSummary]) -> dict[Arm, ArmOutcome]:
        """The outcomes of the arms. Only the users who convert come to the driver."""
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


def _needs_true_scores(arms: Sequence[Arm]) -> bool:
    return any(arm.predictor != ORACLE for arm in arms)


def _served(shown: DataFrame) -> DataFrame:
    return shown.groupBy("campaign_id").agg(F.countDistinct("user_id").alias("users"))
