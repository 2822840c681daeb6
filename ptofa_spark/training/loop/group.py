"""The processes that train together, and how they exchange values. A single process is a group of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

# The backend of torch.distributed that exchanges the tensors of each device.
_BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


@dataclass(frozen=True)
class Group:
    """A process among those that train together. rank: number, from 0; size: processes; device: of its tensors."""

    rank: int
    size: int
    device: torch.device

    def share(self, rows: int) -> int:
        """How many of `rows` this process takes, at least 1. Two processes' shares differ by at most 1."""
        return max(1, rows // self.size + (self.rank < rows % self.size))

    def total(self, value: float) -> float:
        """The sum over all processes, bit for bit the same in each."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return float(tensor)

    def gathered(self, tensor: Tensor) -> list[Tensor]:
        """Every process's tensor (of one shape and type), in the order of ranks, on the CPU."""
        if self.size == 1:
            return [tensor]
        mine = tensor.to(self.device)
        parts = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(parts, mine)
        return [part.cpu() for part in parts]

    def from_first(self, content: bytes | None) -> bytes | None:
        """The first process's bytes, in every process."""
        if self.size == 1:
            return content
        length = torch.tensor([-1 if content is None else len(content)], device=self.device)
        dist.broadcast(length, src=0)
        if int(length) < 0:
            return None
        sent = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.rank == 0 and content is not None:
            sent = torch.frombuffer(bytearray(content), dtype=torch.uint8).to(self.device)
        dist.broadcast(sent, src=0)
        return sent.cpu().numpy().tobytes()

    def synchronised(self, model: nn.Module) -> nn.Module:
        """The model. After each backward pass, its gradients are the mean over all processes."""
        return model if self.size == 1 else DistributedDataParallel(model)


ALONE = Group(0, 1, torch.device("cpu"))


@contextmanager
def joined_group(device: str) -> Iterator[Group]:
    """Joins the group that the environment names, as torchrun sets it, and leaves it at the end.

    If the environment names none, the group is this process alone. device: cpu or cuda; with cuda, the GPU of the
    process's local rank.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group(0, 1, torch.device(device))
        return
    place = torch.device(device, int(os.environ["LOCAL_RANK"])) if device == "cuda" else torch.device(device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group(_BACKENDS[device])
    try:
        yield Group(dist.get_rank(), dist.get_world_size(), place)
    finally:
        dist.destroy_process_group()
