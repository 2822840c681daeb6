"""Runs every stage in the data's order; the loop a planner would run by hand, job by job."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.config import Settings, validated
from ptofa_spark.evaluation.evaluate import evaluate
from ptofa_spark.evaluation.report.results import Evaluation
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.features.build import build_features
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.ingest.datasets import dataset_of, ingest
from ptofa_spark.ingest.settings import IngestSettings
from ptofa_spark.pipeline.settings import SYNTHETIC, RunPipelineSettings
from ptofa_spark.scoring.score import score
from ptofa_spark.scoring.settings import ScoreSettings
from ptofa_spark.simulator.platform import generate_platform
from ptofa_spark.simulator.settings import GeneratePlatformSettings
from ptofa_spark.tables.delta.targets import require_targets
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import train

S = TypeVar("S", bound=Settings)
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:/")
METHODS = ("manual", "ha", "exact")
# What the later stages write; looked at before the first one begins.
_WRITTEN = ("user_features", "fund_features", "examples", "scores", *(f"allocation_{method}" for method in METHODS))


def run_pipeline(spark: SparkSession, settings: RunPipelineSettings, sections: dict[str, Any]) -> Evaluation:
    """Raw tables, features, training, scores, three allocations and their evaluation, in one session.

    Args:
        spark: the session.
        settings: what the stages share.
        sections: the config file's section of each job; what `settings` says goes before it.

    Raises:
        UserError: what any stage refuses; the stages before it stay written.
    """
    plan = _Plan(settings, sections)
    # Read first: a wrong section would otherwise cost the work of all stages before the last.
    evaluation = plan.of("evaluate", EvaluateSettings, allocations=",".join(METHODS))
    require_targets(spark, settings.warehouse, _WRITTEN)
    if settings.dataset == SYNTHETIC:
        users = {} if settings.users is None else {"users": settings.users}
        generate_platform(spark, plan.of("generate_platform", GeneratePlatformSettings, **users))
    else:
        ingest(spark, plan.of("ingest", IngestSettings, dataset=settings.dataset, source=settings.source))
    split_by = "campaign" if settings.dataset == SYNTHETIC else dataset_of(settings.dataset).split_by
    built = plan.of("build_features", BuildFeaturesSettings, **({} if split_by is None else {"split_by": split_by}))
    by_user = built.split_by == "user"
    build_features(spark, built)
    train(spark, plan.of("train", TrainSettings))
    # Demands of a data set that is split by user are made for the users who test.
    audience = {"audience": "test"} if split_by == "user" else {}
    campaign = score(spark, plan.of("score", ScoreSettings, **audience))
    for method in METHODS:
        # Where users are split, the log holds the test users' own outcomes: the priority of manual must not see it.
        log = {} if by_user else {"exposures": in_warehouse(settings.warehouse, "exposures")}
        allocate(spark, plan.of("allocate", AllocateSettings, **plan.allocation(method, campaign), **log))
    return evaluate(spark, evaluation)


def model_place(settings: RunPipelineSettings) -> str:
    """A model is a folder of the driver's file system: in a warehouse that is one, else beside the reports."""
    if settings.model_dir:
        return settings.model_dir
    warehouse = settings.warehouse.rstrip("/")
    is_folder = not _SCHEME.match(warehouse) and in_warehouse(warehouse, "model") == f"{warehouse}/model"
    return f"{warehouse if is_folder else settings.report}/model"


class _Plan:
    """Settings of each stage: its section of the file, then what the pipeline's own settings fix."""

    def __init__(self, settings: RunPipelineSettings, sections: dict[str, Any]) -> None:
        self._settings = settings
        self._sections = sections
        shared = {name: getattr(settings, name) for name in ("warehouse", "report", "seed")}
        shares = {name: getattr(settings, name) for name in ("test_share", "validation_share")}
        self._fixed = shared | shares | {"model_dir": model_place(settings)}

    def of(self, job: str, settings_class: type[S], **more: Any) -> S:
        known = {name: value for name, value in self._fixed.items() if name in settings_class.model_fields}
        return validated(settings_class, {**(self._sections.get(job) or {}), **known, **more}, job)

    def allocation(self, method: str, campaign: str) -> dict[str, Any]:
        """Where an allocation reads and writes."""
        warehouse = self._settings.warehouse
        return {
            "scores": in_warehouse(warehouse, "scores"),
            "funds": in_warehouse(warehouse, "funds"),
            "demands": in_warehouse(warehouse, "demands"),
            "output": in_warehouse(warehouse, f"allocation_{method}"),
            "report": f"{self._settings.report}/{method}",
            "method": method,
            "k": self._settings.k,
            "campaign_id": campaign,
        }
