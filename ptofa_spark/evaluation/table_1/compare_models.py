"""Table 1 of the paper: trains every model, and measures its predictions on held-out exposures and its allocation.

The allocation is optimal for the model's expected revenue. Its revenue under the simulator's truth is the column that
decides. Regret is the share of revenue that it loses, compared with the optimal allocation by the truth.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark import __version__
from ptofa_spark.evaluation.json_rows import write_rows
from ptofa_spark.evaluation.predictions.metrics import Metrics, metrics, yardsticks
from ptofa_spark.evaluation.predictions.predictions import TestSet, test_set
from ptofa_spark.evaluation.table_1.run import TABLE_1_JSON, Run
from ptofa_spark.evaluation.table_1.settings import CompareModelsSettings
from ptofa_spark.evaluation.table_1.text import TABLE_1, table_1_page
from ptofa_spark.evaluation.trial import CampaignTerms, Trial
from ptofa_spark.evaluation.truth.oracle import ORACLE
from ptofa_spark.feed.snapshot import files_digest, pin_snapshot
from ptofa_spark.models.registry import require_model
from ptofa_spark.reproducible.splits import TEST
from ptofa_spark.running.progress import stage
from ptofa_spark.running.redaction import without_secrets
from ptofa_spark.running.whole_file import write_json, write_whole
from ptofa_spark.tables.contracts.schemas import DEMANDS, FUND_FEATURES, FUNDS
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.targets import require_targets
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.training.artifact import read_artifact
from ptofa_spark.training.finished import is_trained

logger = logging.getLogger(__name__)
# The tables that are written in each warehouse. The report folder of an allocation has the second's name.
_SCORES, _ALLOCATION = "table_1_scores", "table_1_allocation"


def compare_models(
    spark: SparkSession, settings: CompareModelsSettings, train_section: dict[str, Any]
) -> tuple[Run, ...]:
    """Trains the models on each warehouse, writes `table_1.json` and `table_1.md`, and returns their runs.

    A model in `report/table_1_models` is not trained again if an earlier run trained it with the same settings on the
    same version of the examples. A grid is always trained again. A model is not measured again if the model, the
    versions of all tables and the version of the package are the same.

    Args:
        spark: the session.
        settings: warehouses, models and seeds.
        train_section: settings of every training. With `grid`, the first seed's training chooses the learning rate
            and the dropout for the other seeds.

    Raises:
        UserError: a table is missing, or a model is unknown.
    """
    for model in settings.each_model():
        require_model(model)
    for warehouse in settings.each_warehouse():
        require_targets(spark, warehouse, (_SCORES, _ALLOCATION))
    runs: list[Run] = []
    for warehouse in settings.each_warehouse():
        for run in _Comparison(spark, warehouse, settings, train_section).runs():
            runs.append(run)
            # Written after each training, which may take hours: a later failure does not lose it.
            _write(runs, settings.report)
    return tuple(runs)


def _write(runs: Sequence[Run], report: str) -> None:
    write_rows(Path(report) / TABLE_1_JSON, runs)
    write_whole(Path(report) / TABLE_1, table_1_page(runs))


class _Comparison:
    """Measures all predictors on one warehouse in the same way."""

    def __init__(
        self, spark: SparkSession, warehouse: str, settings: CompareModelsSettings, train_section: dict[str, Any]
    ) -> None:
        self._warehouse, self._settings, self._train = warehouse, settings, train_section
        self._seen: TestSet | None = None
        # The name that the page, its JSON and the report show.
        self._named = without_secrets(warehouse)
        snapshot = pin_snapshot(spark, in_warehouse(warehouse, "examples"), settings.snapshot_date)
        self._examples, self._files = snapshot.table, files_digest(snapshot)
        self._tested = snapshot.frame.where(F.col("split") == TEST)
        tables = PinnedTables(spark, [snapshot.table])
        self._trial = Trial(spark, warehouse, settings.snapshot_date, settings.report, tables, CampaignTerms())
        read = {"examples": snapshot.frame}
        if self._trial.truth is not None:
            small = {"fund_features": FUND_FEATURES, "funds": FUNDS, "demands": DEMANDS}
            read |= {"user_features": self._trial.users, "truth": self._trial.truth}
            read |= {name: tables.read(self._trial.table(name), schema) for name, schema in small.items()}
        # A table that was removed and created again counts its versions from 0 again, but its files have new names.
        self._read = [
            (tables.version(self._trial.table(name)), sorted(frame.inputFiles())) for name, frame in read.items()
        ]

    def runs(self) -> Iterator[Run]:
        """Yields the runs of all models, seed by seed, then those of the oracle and the constants."""
        models, first = self._settings.each_model(), self._settings.seed
        best = None
        if self._trial.truth is not None:
            write_table(self._trial.true_scores(), self._trial.table(_SCORES), kind="scores")
            best = self._true_rpme()
        points: dict[str, dict[str, Any]] = {}
        for seed in range(first, first + self._settings.seeds):
            for model in models:
                with stage("table_1", model=model, seed=seed):
                    run = self._run(model, seed, points.get(model, {}), best)
                    points[model] = {"grid": False, "learning_rate": run.learning_rate, "dropout": run.dropout}
                yield run
        seen = self._seen or self._test_set(self._model_dir(models[0], first), models[0])
        if seen.oracle is not None:
            yield self._without_training(ORACLE, metrics(seen.oracle, seen.outcomes), best, best)
        for each in yardsticks(seen.outcomes):
            yield self._without_training(each.name, metrics(each, seen.outcomes), None, None)

    def _run(self, model: str, seed: int, point: dict[str, Any], best: float | None) -> Run:
        model_dir = self._model_dir(model, seed)
        wanted = self._trial.training(self._train | point, model, seed, model_dir)
        if is_trained(wanted, {self._examples.name: self._examples.version}, self._files):
            logger.info("model_dir=%s was trained with these settings before: not trained again", model_dir)
            chosen = wanted
        else:
            chosen = self._trial.train(wanted)
        figures = Path(f"{model_dir}.json")
        measured_on = self._measured_on(model_dir)
        earlier = _read_run(figures)
        if earlier is not None and measured_on and earlier.measured_on == measured_on:
            logger.info("model_dir=%s was measured on these tables before: not measured again", model_dir)
            return earlier
        seen = self._seen = self._test_set(model_dir, model)
        rpme = None
        if self._trial.truth is not None:
            self._trial.score(model_dir, _SCORES)
            rpme = self._true_rpme()
        found = metrics(seen.model, seen.outcomes)
        regret = _regret(rpme, best)
        rates = chosen.learning_rate, chosen.dropout
        run = Run(self._named, model, seed, *rates, found, rpme, regret, measured_on)
        write_json(figures, asdict(run))
        return run

    def _true_rpme(self) -> float:
        """Revenue per mille exposures, under the truth, of the optimal allocation by the scores written last."""
        return self._trial.optimum(_SCORES, self._trial.campaign_id(), _ALLOCATION, _ALLOCATION).rpme

    def _test_set(self, model_dir: str, model: str) -> TestSet:
        return test_set(self._tested, model_dir, model, self._trial.truth, self._settings.max_rows)

    def _measured_on(self, model_dir: str) -> str:
        if any(version is None for version, _ in self._read):
            return ""
        model = read_artifact(model_dir)
        digests = [hashlib.sha256(part).hexdigest() for part in (model.weights, model.model, model.encoders)]
        described = [__version__, self._settings.max_rows, digests, self._read]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()

    def _model_dir(self, model: str, seed: int) -> str:
        # The folder depends on the warehouse, so that each of several warehouses keeps its own models.
        of_warehouse = hashlib.sha256(self._warehouse.encode()).hexdigest()[:8]
        return str(Path(self._settings.report) / "table_1_models" / of_warehouse / f"{model}-{seed}")

    def _without_training(self, name: str, found: Metrics, rpme: float | None, best: float | None) -> Run:
        return Run(self._named, name, None, None, None, found, rpme, _regret(rpme, best))


def _read_run(path: Path) -> Run | None:
    """The run in this file; None if there is no file, or if another version of this package wrote it differently."""
    try:
        return Run.of_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _regret(rpme: float | None, best: float | None) -> float | None:
    return None if rpme is None or not best else 1.0 - rpme / best
