"""The job `evaluate`: measures a model and allocations by the truth or by a randomised log, and writes a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from functools import cached_property
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.errors import UserError
from ptofa_spark.evaluation.logged.logged_users import logged_users
from ptofa_spark.evaluation.logged.off_policy import OffPolicy, off_policy
from ptofa_spark.evaluation.predictions.calibration import calibration
from ptofa_spark.evaluation.predictions.intervals import metric_intervals
from ptofa_spark.evaluation.predictions.metrics import by_fund, metrics, yardsticks
from ptofa_spark.evaluation.predictions.predictions import TestSet, predictions_and_worths
from ptofa_spark.evaluation.report.contents import report_figures, report_tables
from ptofa_spark.evaluation.report.paper_tables import paper_figure, paper_tables
from ptofa_spark.evaluation.report.report import REPORT_HTML, Heading, render
from ptofa_spark.evaluation.report.results import AllocationEvaluation, Evaluation
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.evaluation.shown_table import Table
from ptofa_spark.reproducible.splits import TEST
from ptofa_spark.running.progress import stage
from ptofa_spark.running.whole_file import write_json, write_whole
from ptofa_spark.tables.campaigns import of_campaign
from ptofa_spark.tables.contracts.schemas import ALLOCATION, COMPACT_SCORES, EXAMPLES, TRUTH
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.snapshots import of_snapshot
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.opening import table_exists
from ptofa_spark.training.artifact import read_artifact

EVALUATION_JSON = "evaluation.json"


def evaluate(spark: SparkSession, settings: EvaluateSettings) -> Evaluation:
    """Evaluates and writes `report/evaluation.json` and `report/report.html`.

    Raises:
        UserError: a table, the model or an allocation's summary is missing; a summary describes another allocation;
            the allocations belong to several campaigns; or a file of another job for the report cannot be read.
    """
    summaries = {name: AllocationSummary.read(str(Path(settings.report) / name)) for name in settings.names()}
    _require_one_campaign(summaries)
    model = read_artifact(settings.model_dir).name
    # Read first: a file that cannot be read ends the run before the long work, not after it.
    of_paper = paper_tables(settings.report)
    with stage("evaluate", model=model, allocations=settings.allocations) as progress:
        tables = _Tables(spark, settings.warehouse, settings.snapshot_date)
        allocations = {name: tables.allocation(name, summary.campaign_id) for name, summary in summaries.items()}
        for name, summary in summaries.items():
            _require_same(name, allocations[name], summary, settings)
        seen, worths = predictions_and_worths(
            tables.tested, settings.model_dir, model, tables.truth, settings.max_rows, allocations
        )
        judged = tuple(
            AllocationEvaluation(name, summary, worths.get(name), _by_log(allocations[name], summary, tables, settings))
            for name, summary in summaries.items()
        )
        found = evaluation_of(seen, judged, tables.versions, settings)
        _write(found, seen, of_paper, settings)
        progress.counts |= {"exposures": found.exposures, "report": found.report}
    return found


def _require_one_campaign(summaries: dict[str, AllocationSummary]) -> None:
    """Requires one campaign, the same funds and demands, and the same K (funds per user): the report compares them."""
    about = {
        name: (each.campaign_id, each.k, [(fund.fund_id, fund.demand) for fund in each.funds])
        for name, each in summaries.items()
    }
    first, *others = about
    for name in others:
        if about[name] != about[first]:
            raise UserError(
                f"allocations {first} (campaign {about[first][0]!r}) and {name} (campaign {about[name][0]!r}) do not "
                "have the same campaign, K and demands: evaluate them in separate runs"
            )


class _Tables:
    """The tables that an evaluation reads. Each stays at the version that was the newest at its first read.

    truth: None if the data are not simulated.
    """

    def __init__(self, spark: SparkSession, warehouse: str, snapshot_date: date | None) -> None:
        self._warehouse, self._tables = warehouse, PinnedTables(spark)
        examples = self._tables.read(self._table("examples"), EXAMPLES, keep_extra=True)
        self.tested = of_snapshot(examples, "examples", snapshot_date).where(F.col("split") == TEST)
        truth = self._table("truth")
        self.truth = self._tables.read(truth, TRUTH) if table_exists(spark, truth) else None

    @cached_property
    def randomised(self) -> bool:
        """Whether each exposure that was held out has its propensity."""
        return bool(self.tested.where(F.col("propensity").isNull()).isEmpty())

    def allocation(self, name: str, campaign: str) -> DataFrame:
        table = self._table(f"allocation_{name}")
        return self._tables.read(table, ALLOCATION).where(F.col("campaign_id") == campaign)

    def scores(self, campaign: str) -> DataFrame:
        # Without the campaign's rows every expected revenue would be 0. The doubly robust estimate would then change
        # without an error.
        return of_campaign(self._tables.read(self._table("scores"), COMPACT_SCORES), "scores", campaign)[0]

    @property
    def versions(self) -> dict[str, int | None]:
        """The version of each table read so far, by its name in the warehouse; None if the table has no version."""
        place = len(self._table(""))
        return {each.name[place:]: each.version for each in self._tables.versions}

    def _table(self, name: str) -> str:
        return in_warehouse(self._warehouse, name)


def _by_log(
    allocation: DataFrame, summary: AllocationSummary, tables: _Tables, settings: EvaluateSettings
) -> OffPolicy | None:
    """The estimates from the log, where the truth is unknown and the log was randomised."""
    if tables.truth is not None or not tables.randomised:
        return None
    logged = logged_users(tables.tested, allocation, tables.scores(summary.campaign_id), summary.k)
    return off_policy(logged, settings.bootstrap, settings.seed)


def _require_same(name: str, allocation: DataFrame, summary: AllocationSummary, settings: EvaluateSettings) -> None:
    """Requires that the summary describes the table.

    `allocate` writes the table before the summary. A run that stopped in between leaves the earlier summary.
    """
    row = allocation.agg(F.count("*").alias("rows"), F.sum("expected_revenue").alias("objective")).collect()[0]
    objective = row["objective"] or 0.0
    if row["rows"] == summary.exposures and math.isclose(objective, summary.objective, rel_tol=1e-6, abs_tol=1e-6):
        return
    raise UserError(
        f"the summary in {settings.report}/{name} reports {summary.exposures:,} exposures worth "
        f"{summary.objective:,.2f}, but table allocation_{name} holds {row['rows']:,} worth {objective:,.2f}: "
        "run allocate again, so that one run writes both"
    )


def evaluation_of(
    seen: TestSet,
    judged: tuple[AllocationEvaluation, ...],
    versions: dict[str, int | None],
    settings: EvaluateSettings,
) -> Evaluation:
    """All figures of the report.

    seen: predictions and outcomes of the test exposures; judged: the allocations; versions: of the tables read.
    """
    predictors = [seen.model, *([seen.oracle] if seen.oracle else []), *yardsticks(seen.outcomes)]
    p_c = seen.model.p_c
    conversion = () if p_c is None else calibration(p_c, seen.outcomes.conversion)
    revenue = calibration(seen.model.revenue, seen.outcomes.revenue) if seen.model.of_money else ()
    return Evaluation(
        model=seen.model.name,
        exposures=len(seen.outcomes.revenue),
        conversions=int(seen.outcomes.conversion.sum()),
        allocations=judged,
        metrics=tuple(metrics(predictor, seen.outcomes) for predictor in predictors),
        intervals=metric_intervals(predictors, seen.outcomes, settings.metric_bootstrap, settings.seed),
        by_fund=by_fund(seen.model, seen.outcomes),
        conversion_calibration=conversion,
        revenue_calibration=revenue,
        table_versions=versions,
        report=str(Path(settings.report) / REPORT_HTML),
    )


def _write(found: Evaluation, seen: TestSet, of_paper: Sequence[Table], settings: EvaluateSettings) -> None:
    first = found.allocations[0].summary
    heading = Heading(first.campaign_id, f"{first.users:,}", str(len(first.funds)), str(first.k), found.model)
    by_name = {each.name: each.summary for each in found.allocations}
    figures = report_figures(by_name, found.conversion_calibration, seen.model)
    html = render(heading, [*report_tables(found), *of_paper], [*figures, *paper_figure(settings.report)])
    directory = Path(settings.report)
    write_json(directory / EVALUATION_JSON, asdict(found))
    write_whole(directory / REPORT_HTML, html)
