"""Table 1 of the paper: every model trained, measured on held-out exposures, judged by what its allocation is worth.

The column that decides is the revenue under the simulator's truth of the optimal allocation of each model's E: a model
is as good as the decisions that it leads to. Regret is what is lost against the allocation of the truth's own E.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark import __version__
from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.config import validated
from ptofa_spark.evaluation.predictions.metrics import Metrics, metrics, yardsticks
from ptofa_spark.evaluation.predictions.predictions import TestSet, test_set
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.evaluation.table_1.text import TABLE_1, table_1_page
from ptofa_spark.evaluation.table_2.arms import ORACLE
from ptofa_spark.evaluation.truth.oracle import true_scores
from ptofa_spark.evaluation.truth.regret import require_optimal
from ptofa_spark.evaluation.truth.true_worth import true_worth
from ptofa_spark.feed.snapshot import files_digest, pin_snapshot
from ptofa_spark.models.registry import require_model
from ptofa_spark.reproducible.splits import TEST
from ptofa_spark.running.progress import stage
from ptofa_spark.running.redaction import without_secrets
from ptofa_spark.running.whole_file import write_json, write_whole
from ptofa_spark.scoring.score import score
from ptofa_spark.scoring.settings import ScoreSettings
from ptofa_spark.tables.contracts.schemas import ALLOCATION, DEMANDS, FUND_FEATURES, FUNDS, TRUTH, USER_FEATURES
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.snapshots import of_snapshot
from ptofa_spark.tables.delta.targets import require_targets
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.opening import table_exists
from ptofa_spark.tables.reading import read_table
from ptofa_spark.training.artifact import read_artifact
from ptofa_spark.training.finished import is_trained
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import train

logger = logging.getLogger(__name__)
JSON = "table_1.json"


@dataclass(frozen=True)
class Run:
    """A predictor's figures: one training of a model, or the oracle, or a constant.

    seed, learning_rate, dropout: of the training, None without one; rpme: revenue per mille exposures under the truth
    of the optimal allocation of its E; regret: the share of the oracle's that is lost; both None without a truth;
    measured_on: digest of the model and of every table that a figure came from, empty where a table has no version.
    """

    warehouse: str
    predictor: str
    seed: int | None
    learning_rate: float | None
    dropout: float | None
    metrics: Metrics
    rpme: float | None
    regret: float | None
    measured_on: str = ""


def table_1(spark: SparkSession, settings: EvaluateSettings, train_section: dict[str, Any]) -> str:
    """Trains the models on each warehouse, writes `table_1.json` and `table_1.md`, and returns the page's text.

    A model that an earlier run left in `report/table_1_models`, trained with the same settings on the same version of
    the examples, is not trained again; a grid is. The figures beside it stand, too, if they are of the same model, the
    same versions of all tables and this version of the package.

    Args:
        spark: the session.
        settings: warehouses, models and seeds.
        train_section: settings of every training; with `grid`, the first seed's training chooses the learning rate and
            dropout of the others.

    Raises:
        UserError: a table is missing, or a model is unknown.
    """
    models = settings.table1_models.split(",")
    for model in models:
        require_model(model)
    runs: list[Run] = []
    warehouses = (settings.table1_warehouses or settings.warehouse).split(",")
    for warehouse in warehouses:
        require_targets(spark, warehouse, _WRITTEN)
    for warehouse in warehouses:
        for run in _Bench(spark, warehouse, settings, train_section).runs(models):
            runs.append(run)
            # After each training: hours of it are not lost with the next one.
            _write(runs, settings)
    return table_1_page(runs)


_WRITTEN = ("table_1_scores", "table_1_allocation")


class _Bench:
    """One warehouse, on which predictors are measured in the same way."""

    def __init__(
        self, spark: SparkSession, warehouse: str, settings: EvaluateSettings, train_section: dict[str, Any]
    ) -> None:
        self._spark, self._warehouse, self._settings, self._train = spark, warehouse, settings, train_section
        self._seen: TestSet | None = None
        # As the page, its JSON and the report show it.
        self._named = without_secrets(warehouse)
        snapshot = pin_snapshot(spark, self._table("examples"), settings.snapshot_date)
        self._examples, self._files = snapshot.table, files_digest(snapshot)
        self._tested = snapshot.frame.where(F.col("split") == TEST)
        tables = PinnedTables(spark, [snapshot.table])
        read = {"examples": snapshot.frame}
        users = tables.read(self._table("user_features"), USER_FEATURES)
        self._users = of_snapshot(users, self._table("user_features"), settings.snapshot_date)
        self._truth = None
        if table_exists(spark, self._table("truth")):
            self._truth = tables.read(self._table("truth"), TRUTH)
            small = {"fund_features": FUND_FEATURES, "funds": FUNDS, "demands": DEMANDS}
            read |= {"user_features": self._users, "truth": self._truth}
            read |= {name: tables.read(self._table(name), schema) for name, schema in small.items()}
        # A table that was removed and made anew counts its versions from 0 again: its files have other names.
        self._read = [(tables.version(self._table(name)), sorted(frame.inputFiles())) for name, frame in read.items()]

    def runs(self, models: Sequence[str]) -> Iterator[Run]:
        """All models with all seeds, seed by seed, then the oracle and the constants."""
        best = None
        if self._truth is not None:
            best = self._true_rpme(self._true_scores(self._truth), self._truth)
        points: dict[str, dict[str, Any]] = {}
        for seed in range(self._settings.seed, self._settings.seed + self._settings.table1_seeds):
            for model in models:
                with stage("table_1", model=model, seed=seed):
                    run = self._run(model, seed, points.get(model, {}), best)
                    points[model] = {"grid": False, "learning_rate": run.learning_rate, "dropout": run.dropout}
                yield run
        seen = self._seen or self._test_set(self._model_dir(models[0], self._settings.seed), models[0])
        if seen.oracle is not None:
            yield self._without_training(ORACLE, metrics(seen.oracle, seen.outcomes), best, best)
        for each in yardsticks(seen.outcomes):
            yield self._without_training(each.name, metrics(each, seen.outcomes), None, None)

    def _run(self, model: str, seed: int, point: dict[str, Any], best: float | None) -> Run:
        date = self._settings.snapshot_date
        fixed = {"warehouse": self._warehouse, "snapshot_date": date, "seed": seed, "model": model}
        given = self._train | fixed | point
        model_dir = self._model_dir(model, seed)
        wanted = validated(TrainSettings, given | {"model_dir": model_dir}, "train")
        if is_trained(wanted, {self._examples.name: self._examples.version}, self._files):
            logger.info("model_dir=%s was trained with these settings before: it stands", model_dir)
            chosen = wanted
        else:
            chosen = train(self._spark, wanted).chosen.settings
        figures = Path(f"{model_dir}.json")
        measured_on = self._measured_on(model_dir)
        earlier = _read_run(figures)
        if earlier is not None and measured_on and earlier.measured_on == measured_on:
            logger.info("model_dir=%s was measured on these tables before: its figures stand", model_dir)
            return earlier
        seen = self._seen = self._test_set(model_dir, model)
        rpme = None
        if self._truth is not None:
            scores = self._table("table_1_scores")
            wanted_scores = ScoreSettings(
                warehouse=self._warehouse, model_dir=model_dir, output=scores, snapshot_date=date
            )
            score(self._spark, wanted_scores)
            rpme = self._true_rpme(scores, self._truth)
        found = metrics(seen.model, seen.outcomes)
        regret = _regret(rpme, best)
        rates = chosen.learning_rate, chosen.dropout
        run = Run(self._named, model, seed, *rates, found, rpme, regret, measured_on)
        write_json(figures, asdict(run))
        return run

    def _test_set(self, model_dir: str, model: str) -> TestSet:
        return test_set(self._tested, model_dir, model, self._truth, self._settings.max_rows)

    def _measured_on(self, model_dir: str) -> str:
        if any(version is None for version, _ in self._read):
            return ""
        model = read_artifact(model_dir)
        digests = [hashlib.sha256(part).hexdigest() for part in (model.weights, model.model, model.encoders)]
        described = [__version__, self._settings.max_rows, digests, self._read]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()

    def _model_dir(self, model: str, seed: int) -> str:
        # Of the warehouse's own, so that of several each keeps its models.
        of_warehouse = hashlib.sha256(self._warehouse.encode()).hexdigest()[:8]
        return str(Path(self._settings.report) / "table_1_models" / of_warehouse / f"{model}-{seed}")

    def _without_training(self, name: str, found: Metrics, rpme: float | None, best: float | None) -> Run:
        return Run(self._named, name, None, None, None, found, rpme, _regret(rpme, best))

    def _true_scores(self, truth: DataFrame) -> str:
        """A score table whose E is the truth's own."""
        write_table(true_scores(self._users, truth), self._table("table_1_scores"), kind="scores")
        return self._table("table_1_scores")

    def _true_rpme(self, scores: str, truth: DataFrame) -> float:
        """Revenue per mille exposures under the truth of the optimal allocation of the scores."""
        output = self._table("table_1_allocation")
        first = self._users.select("campaign_id").first()
        summary = allocate(
            self._spark,
            AllocateSettings(
                scores=scores,
                funds=self._table("funds"),
                demands=self._table("demands"),
                output=output,
                report=str(Path(self._settings.report) / "table_1_allocation"),
                method="exact",
                campaign_id=None if first is None else first["campaign_id"],
            ),
        )
        require_optimal(summary)
        rows = read_table(self._spark, output, ALLOCATION).where(F.col("campaign_id") == summary.campaign_id)
        return true_worth(rows, truth).rpme

    def _table(self, name: str) -> str:
        return in_warehouse(self._warehouse, name)


def _read_run(path: Path) -> Run | None:
    """What an earlier run measured; None where there is no such file, or one of another version of this package."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Run(**found | {"metrics": Metrics(**found["metrics"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _regret(rpme: float | None, best: float | None) -> float | None:
    return None if rpme is None or not best else 1.0 - rpme / best


def _write(runs: Sequence[Run], settings: EvaluateSettings) -> None:
    directory = Path(settings.report)
    write_json(directory / JSON, [asdict(run) for run in runs])
    write_whole(directory / TABLE_1, table_1_page(runs))
