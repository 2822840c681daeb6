"""A trained model as a folder of safetensors and JSON. Reading it unpickles nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from ptofa_spark.errors import UserError
from ptofa_spark.feed.encoding import FeatureEncoding
from ptofa_spark.models.build import build_model
from ptofa_spark.models.parts.prediction import RevenueModel
from ptofa_spark.models.settings import ModelSettings

WEIGHTS, MODEL, ENCODERS, METRICS = "model.safetensors", "model.json", "encoders.json", "metrics.json"


@dataclass(frozen=True)
class Artifact:
    """The contents of the folder's files, as bytes. They are small and hashable, and can be broadcast to executors.

    weights: safetensors; model: JSON of name, settings, feature columns, table versions; encoders: JSON.
    """

    weights: bytes
    model: bytes
    encoders: bytes

    @property
    def name(self) -> str:
        """The model's name in the registry."""
        return str(json.loads(self.model)["name"])


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to predict, and the encoding of its features."""

    model: RevenueModel[Any]
    encoding: FeatureEncoding


def pack(
    name: str,
    model: RevenueModel[Any],
    encoding: FeatureEncoding,
    table_versions: dict[str, int | None],
) -> Artifact:
    """The trained model as bytes. table_versions: the versions of the tables it was trained on, by name."""
    described = {
        "name": name,
        "settings": model.settings.model_dump(include=set(ModelSettings.model_fields)),
        "feature_columns": list(encoding.columns),
        "table_versions": table_versions,
    }
    return Artifact(
        weights=safetensors.torch.save({name: weight.contiguous() for name, weight in model.state_dict().items()}),
        model=json.dumps(described, indent=2, ensure_ascii=False).encode(),
        encoders=encoding.to_json().encode(),
    )


def unpack(artifact: Artifact) -> LoadedModel:
    """The model, rebuilt from bytes, in evaluation mode."""
    described = json.loads(artifact.model)
    encoding = FeatureEncoding.from_json(artifact.encoders.decode())
    model = build_model(described["name"], encoding.layout, ModelSettings.model_validate(described["settings"]))
    model.load_state_dict(safetensors.torch.load(artifact.weights))
    model.eval()
    return LoadedModel(model, encoding)


def write_artifact(artifact: Artifact, metrics: dict[str, Any], model_dir: str) -> None:
    """Writes the folder under another name and then renames it, so that `model_dir` never holds a partial model.

    Raises:
        UserError: `model_dir` holds something other than a trained model, or cannot be written.
    """
    require_place(model_dir)
    target = Path(model_dir)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        made.chmod(0o755)
        (made / WEIGHTS).write_bytes(artifact.weights)
        (made / MODEL).write_bytes(artifact.model)
        (made / ENCODERS).write_bytes(artifact.encoders)
        (made / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        if target.exists():
            # A folder cannot be renamed over a folder that holds files, so the old model is renamed first.
            aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            os.replace(target, aside)
            os.replace(made, target)
            shutil.rmtree(aside)
        else:
            os.replace(made, target)
    except OSError as error:
        raise UserError(f"model_dir {model_dir} cannot be written: {error.strerror or error}") from error


def require_place(model_dir: str) -> None:
    """Rejects a `model_dir` where a model must not be written. It is called before training, not after it.

    Raises:
        UserError: `model_dir` holds something other than a trained model.
    """
    target = Path(model_dir)
    empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not empty and not (target / MODEL).is_file():
        raise UserError(f"model_dir {model_dir} exists and holds no trained model: name another folder")


def read_artifact(model_dir: str) -> Artifact:
    """Reads the folder and checks that a model can be rebuilt from it.

    Raises:
        UserError: the folder is missing, incomplete or damaged.
    """
    folder = Path(model_dir)
    try:
        artifact = Artifact(*[(folder / name).read_bytes() for name in (WEIGHTS, MODEL, ENCODERS)])
    except OSError as error:
        raise UserError(
            f"model_dir {model_dir} holds no trained model ({Path(str(error.filename)).name}: {error.strerror}): "
            "run train, or name the folder it wrote"
        ) from error
    try:
        unpack(artifact)
    except (ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"model_dir {model_dir} is damaged ({reason}): train it again") from error
    return artifact
