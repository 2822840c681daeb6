"""The running average of a training's weights: what is validated, kept and handed over.

With a few conversions in a thousand exposures a batch holds one or two, so each step throws the heads' biases about:
the weights of a single step predict sums that are off by a tenth or two either way. Their average is not
(docs/measured/prediction.md, "The average of the weights").
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
        decay: what a step leaves of the average once it is old enough. A young one forgets faster, so that of a short
            training it is not the weights that it began with. 0: the last step's weights.
    """

    @torch.no_grad()
    def update(average: _Tensors, current: _Tensors, steps: Tensor | int) -> None:
        weight = max(1.0 - decay, 9.0 / (10.0 + float(steps))) if decay else 1.0
        torch._foreach_lerp_(average, current, weight)

    return AveragedModel(model, multi_avg_fn=update)
