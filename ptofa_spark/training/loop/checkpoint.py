"""Saves a training run to disk, so that a killed run can resume. The file holds tensors and JSON, and no pickles."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ptofa_spark.feed.examples import ExamplesFeed
from ptofa_spark.training.loop.early_stopping import EarlyStopping
from ptofa_spark.training.loop.group import Group
from ptofa_spark.training.loop.history import Epoch, Progress
from ptofa_spark.training.settings import TrainSettings

# Settings that do not change a run's weights.
_NOT_DECISIVE = {
    "warehouse", "snapshot_date", "model_dir", "grid", "grid_learning_rates", "grid_dropouts", "checkpoint_steps",
    "tracking", "tracking_uri", "experiment", "reader",
}  # fmt: skip


class Checkpoint:
    """One run's file, rewritten every `steps` steps.

    On the CPU, a run draws all random numbers from torch's generator, whose state is saved. The order of an epoch's
    rows depends only on the seed and the epoch's number. A resumed run therefore ends with the same weights as an
    uninterrupted run, bit for bit. A GPU draws its dropout from its own generator, whose state is not saved.

    path: of the file, None to save nothing; steps: number of steps between two writes.
    """

    def __init__(self, path: Path | None, steps: int) -> None:
        self._path = path
        self._steps = steps

    def due(self, step: int) -> bool:
        """Whether to write after this step of an epoch."""
        return self._path is not None and step % self._steps == 0

    def save(
        self,
        progress: Progress,
        stopping: EarlyStopping,
        model: nn.Module,
        average: nn.Module,
        optimizer: torch.optim.Optimizer,
        group: Group,
    ) -> None:
        """Replaces the file atomically. Only the first process writes, with the generator states of all processes."""
        if self._path is None:
            return
        generators = group.gathered(torch.get_rng_state())
        own = group.gathered(torch.tensor([progress.loss, progress.rows], dtype=torch.float64))
        if group.rank > 0:
            return
        tensors = {f"rng.{rank}": state for rank, state in enumerate(generators)}
        tensors |= {f"own.{rank}": sums for rank, sums in enumerate(own)}
        tensors |= {f"model.{name}": weight for name, weight in model.state_dict().items()}
        tensors |= {f"average.{name}": weight for name, weight in average.state_dict().items()}
        tensors |= {f"best.{name}": weight for name, weight in stopping.best_weights.items()}
        for place, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{place}.{name}": moment for name, moment in moments.items()}
        stopped = {"loss": stopping.best_loss, "epoch": stopping.best_epoch, "last": stopping.last_epoch}
        noted = json.dumps({"progress": asdict(progress), "stopping": stopped})
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # One name per process: processes that outlived a killed driver may still be writing the same run's file.
        half = self._path.with_suffix(f".{os.getpid()}.half")
        safetensors.torch.save_file(whole, half, metadata={"run": noted})
        os.replace(half, self._path)

    def resume(
        self,
        stopping: EarlyStopping,
        model: nn.Module,
        average: nn.Module,
        optimizer: torch.optim.Optimizer,
        group: Group,
    ) -> Progress:
        """Restores model, average, optimizer, generator and stopping from the file.

        Without a complete file, the run starts from the beginning.
        """
        content = group.from_first(self._content() if group.rank == 0 else None)
        if content is None:
            return Progress()
        tensors = safetensors.torch.load(content)
        noted = json.loads(_metadata(content)["run"])
        model.load_state_dict(_under("model.", tensors))
        average.load_state_dict(_under("average.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            place, moment = name.split(".")
            moments.setdefault(int(place), {})[moment] = tensor
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(tensors[f"rng.{group.rank}"])
        stopped = noted["stopping"]
        stopping.best_loss, stopping.best_epoch, stopping.last_epoch = (stopped[k] for k in ("loss", "epoch", "last"))
        stopping.best_weights = _under("best.", tensors)
        kept = noted["progress"]
        loss, rows = tensors[f"own.{group.rank}"].tolist()
        history = [Epoch(**epoch) for epoch in kept["history"]]
        return Progress(kept["epoch"], kept["steps"], loss, int(rows), history)

    def _content(self) -> bytes | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            with safe_open(self._path, framework="pt"):
                return self._path.read_bytes()
        except (OSError, SafetensorError):
            return None  # a full disk cut the file short: the run starts from the beginning


NO_CHECKPOINT = Checkpoint(None, 1)


def checkpoint_folder(model_dir: str) -> Path:
    """The folder beside `model_dir` that holds the checkpoints of a training until its model is written."""
    target = Path(model_dir)
    return target.parent / f".{target.name}.checkpoints"


def decisive(settings: TrainSettings) -> dict[str, Any]:
    """The settings that decide a run's weights, as JSON values."""
    return settings.model_dump(mode="json", exclude=_NOT_DECISIVE)


def checkpoint_name(settings: TrainSettings, feed: ExamplesFeed, versions: dict[str, int | None]) -> str:
    """The name of a run's file: a digest of all that decides its weights, so that no other run resumes from it."""
    content = json.dumps(
        [decisive(settings), versions, feed.train_files, feed.validation_files, feed.encoding.to_json()]
    )
    return f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.safetensors"


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata in safetensors' header. The content starts with the header's length in 8 bytes, then its JSON."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
