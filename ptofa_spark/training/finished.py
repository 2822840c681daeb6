"""Tells whether a folder already holds the model that training would produce."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ptofa_spark.models.settings import ModelSettings
from ptofa_spark.training.artifact import METRICS, MODEL
from ptofa_spark.training.loop.checkpoint import decisive
from ptofa_spark.training.settings import TrainSettings


def is_trained(settings: TrainSettings, table_versions: dict[str, int | None], files: str) -> bool:
    """Whether `model_dir` holds the model that training with these settings on these files would produce.

    False for a grid: the folder holds the best point, not the points that were tried.
    """
    folder = Path(settings.model_dir)
    try:
        model: dict[str, Any] = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        metrics: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        # A setting that is newer than the model gets its default, as it does when the model is loaded.
        of_model = ModelSettings(**model.get("settings", {})).model_dump(mode="json")
    except (OSError, ValueError):
        return False
    found = {**metrics.get("train_settings", {}), **of_model}
    # The versions do not say which of a table's snapshots was read.
    date = None if settings.snapshot_date is None else settings.snapshot_date.isoformat()
    wanted = decisive(settings) | {"snapshot_date": date}
    return (
        not settings.grid
        and model.get("name") == settings.model
        and model.get("table_versions") == table_versions
        and metrics.get("files") == files
        and {name: found.get(name) for name in wanted} == wanted
    )
