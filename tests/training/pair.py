"""Two training processes that train several times: starting them, and importing torch, takes longer than training.

They are forks of a server that has imported torch once.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from itertools import islice
from multiprocessing import set_forkserver_preload
from pathlib import Path

import safetensors.torch
import torch
import torch.distributed as dist
from torch.multiprocessing import start_processes

from ptofa_spark.feed.blocks import Batch
from ptofa_spark.training.loop.checkpoint import Checkpoint
from ptofa_spark.training.loop.group import ALONE, Group
from ptofa_spark.training.loop.trainer import Fitted
from ptofa_spark.training.processes import TrainingTask, train_process
from tests.free_port import free_port
from tests.training.in_memory import InMemory, exposures, fitted

MANY = 10**9


def run_pair(folder: Path, tasks: Mapping[str, TrainingTask]) -> dict[str, Fitted]:
    """Trains each task, then exposures in memory. Returns what the first process has of each task.

    Files whole-RANK, resumed-RANK in the folder: weights and losses of undisturbed training, and of one cut off.
    """
    set_forkserver_preload(["ptofa_spark.training.processes"])
    ports = {name: free_port() for name in tasks}
    start_processes(one_of_two, (folder, tasks, ports), nprocs=2, start_method="forkserver")
    return {name: pickle.loads((folder / f"{name}.pickle").read_bytes()) for name in tasks}


def one_of_two(rank: int, folder: Path, tasks: Mapping[str, TrainingTask], ports: Mapping[str, int]) -> None:
    """What a process does. It joins a group as torchrun's processes do, by the environment."""
    os.environ |= {"GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2", "RANK": str(rank)}
    for name, task in tasks.items():
        os.environ["MASTER_PORT"] = str(ports[name])
        run = train_process(task)
        if rank == 0:
            (folder / f"{name}.pickle").write_bytes(pickle.dumps(run))
    train_halves(rank, folder)


class Half(InMemory):
    """Every second batch, and every second row to validate, of one process. It dies after a number of batches."""

    rank, left = 0, MANY

    def train(self, epoch: int) -> Iterator[Batch]:
        for batch in islice(super().train(epoch), self.rank, None, 2):
            if Half.left == 0:
                raise KeyboardInterrupt
            Half.left -= 1
            yield batch

    def validation(self) -> Iterator[Batch]:
        return iter([self.batch(torch.arange(self.train_rows + self.rank, len(self.x), 2))])


def train_halves(rank: int, folder: Path) -> None:
    """Trains undisturbed, then until it is cut off, then goes on. It writes the weights."""
    for name, batches in (("whole", MANY), ("cut", 8), ("resumed", MANY)):
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{name}", rank=rank, world_size=2)
        try:
            train_half(rank, folder, name, batches)
        except (KeyboardInterrupt, RuntimeError):  # its own end, or that of the other
            assert name == "cut"
        finally:
            dist.destroy_process_group()


def train_half(rank: int, folder: Path, name: str, batches: int) -> None:
    whole = exposures(3_000, 0.2)  # 9 batches per epoch: 5 for the first process, 4 for the second
    source, Half.rank, Half.left = Half(whole.x, whole.revenue), rank, batches
    checkpoint = Checkpoint(None if name == "whole" else folder / "run.safetensors", 2)
    group = Group(rank, 2, ALONE.device)
    model, run = fitted(source, checkpoint, group, epochs=4, patience=4, dropout=0.3, seed=5 + rank)
    losses = torch.tensor([[epoch.train_loss, epoch.validation_loss] for epoch in run.history])
    safetensors.torch.save_file(model.state_dict() | {"losses": losses}, folder / f"{name}-{rank}.safetensors")
    if name == "resumed":
        assert Half.left > MANY - 4 * 5, "it began anew"
