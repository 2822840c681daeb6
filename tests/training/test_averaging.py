"""The running average of the weights: its definition, the case without decay, and its use."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ptofa_spark.models.build import model_of
from ptofa_spark.training.loop.averaging import averaged
from ptofa_spark.training.validation import validate
from tests.training.in_memory import exposures, fitted


def test_the_average_is_what_its_definition_says() -> None:
    torch.manual_seed(3)
    model = nn.Linear(3, 2)
    average = averaged(model, 0.9)  # its first steps weigh the newest weights more, as `weight` below says
    wanted = None
    for step in range(120):
        with torch.no_grad():
            model.weight.normal_()
        average.update_parameters(model)
        seen = model.weight.detach().clone()
        weight = max(0.1, 9.0 / (10.0 + step))
        wanted = seen if wanted is None else wanted + weight * (seen - wanted)
    assert wanted is not None
    assert torch.allclose(average.module.weight, wanted, atol=1e-6)
    assert not torch.allclose(average.module.weight, model.weight, atol=1e-2)


def test_without_decay_it_is_the_last_steps_weights() -> None:
    torch.manual_seed(4)
    model = nn.Linear(5, 5)
    average = averaged(model, 0.0)
    for _ in range(7):
        with torch.no_grad():
            model.weight.normal_()
            model.bias.mul_(-1.7)
        average.update_parameters(model)
    assert all(torch.equal(a, b) for a, b in zip(average.module.parameters(), model.parameters(), strict=True))


def test_averaging_brings_predicted_sums_nearer_to_what_happened() -> None:
    off = {}
    for averaging in (0.0, 0.999):
        ratios = []
        for seed in range(4):
            source = exposures(40_000, 0.01)
            model, _ = fitted(source, seed=seed, epochs=3, patience=3, averaging=averaging)
            ratio = validate(model, model_of("ptofa"), source.validation()).conversion_ratio
            assert ratio is not None
            ratios.append(math.log(ratio))
        off[averaging] = float(torch.tensor(ratios).std())
    # All are compared with the same exposures: what differs from seed to seed is the last steps' noise.
    assert off[0.999] < 0.7 * off[0.0]
    assert off[0.999] == pytest.approx(0.0, abs=0.1)
