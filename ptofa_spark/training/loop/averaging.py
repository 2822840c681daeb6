"""The running average of a run's weights. Validation uses the average, and training returns it.

With a few conversions per thousand exposures, a batch holds one or two, so each step changes the heads' biases a lot.
The sums that a single step's weights predict are 10 to 20% too high or too low. The sums that the average predicts are
not (docs/measured/prediction.md, "The average of the weights").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential average of the model's weights, on its device; call `update_parameters` after each step.

    Args:
        model: whose weights are averaged.
        decay: share of the average that a late step keeps. Early steps keep less, so that the average of a short
            training does not stay near its starting weights. 0: the average is the last step's weights.
    """

    @torch.no_grad()
    def update(average: _Tensors, current: _Tensors, steps: Tensor | int) -> None:
        weight = max(1.0 - decay, 9.0 / (10.0 + float(steps))) if decay else 1.0
        torch._foreach_lerp_(average, current, weight)

    return AveragedModel(model, multi_avg_fn=update)
