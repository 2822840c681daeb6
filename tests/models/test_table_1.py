"""The rows of Table 1: what each declares, its loss against its formula, its start, its broadcasting, its learning."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from sklearn.metrics import roc_auc_score

from ptofa_spark.feed.blocks import Block, Features, Labels
from ptofa_spark.models.build import build_model, model_of
from ptofa_spark.models.likelihoods import product_nll
from ptofa_spark.models.parts.heads import LabelMoments
from ptofa_spark.models.parts.units import Head
from ptofa_spark.models.registry import MODELS
from ptofa_spark.models.settings import ModelSettings
from tests.models.blocks import LAYOUT, block

MOMENTS = LabelMoments(rate=0.01, log_revenue_mean=5.0, log_revenue_sd=0.9, click_rate=0.08)
# What each hands the allocator when it knows the moments alone: E of its formula.
AT_THE_MOMENTS = {
    "ptofa": 0.01 * math.exp(5.0 + 0.9**2 / 2),
    "ziln": 0.01 * math.exp(5.0 + 0.9**2 / 2),
    "mtl_mse": 0.01 * math.expm1(5.0),
    "mmoe": 0.01 * math.expm1(5.0),
    "shared_bottom": 0.01 * math.expm1(5.0),
    "dnn_r": math.expm1(0.01 * 5.0),
    "esmm": 0.01,
    "dnn_c": 0.01,
}
WITH_A_FORMULA = ["dnn_c", "dnn_r", "shared_bottom", "mmoe", "mtl_mse", "esmm", "ziln"]


def features(rows: int, seed: int = 2) -> Features:
    generator = torch.Generator().manual_seed(seed)
    parts = [block(part, (rows,), generator) for part in (LAYOUT.user, LAYOUT.fund, LAYOUT.pair)]
    return Features(*[Block(part.codes, part.numbers.double()) for part in parts])


def built(name: str):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    made = build_model(name, LAYOUT, ModelSettings(dropout=0.0)).double()
    made.start_at(MOMENTS)
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("name", MODELS)
def test_all_funds_at_once_equal_each_pair_by_itself(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    user, fund, pair = (
        Block(part.codes, part.numbers.double())
        for part in (
            block(LAYOUT.user, (5, 1), generator),
            block(LAYOUT.fund, (1, 6), generator),
            block(LAYOUT.pair, (5, 6), generator),
        )
    )
    net = built(name)
    at_once = net.predict(net(Features(user, fund, pair))).expected_revenue
    assert at_once.shape == (5, 6)
    for u, f in ((0, 0), (3, 5), (4, 2)):
        alone = Features(
            Block(user.codes[u], user.numbers[u]),
            Block(fund.codes[:, f], fund.numbers[:, f]),
            Block(pair.codes[u, f][None], pair.numbers[u, f][None]),
        )
        assert float(net.predict(net(alone)).expected_revenue) == pytest.approx(float(at_once[u, f]), rel=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_fills_the_heads_that_it_declares(name: str) -> None:
    net = built(name)
    said = net.predict(net(features(3)))
    assert set(model_of(name).heads) == {head for head in get_args(Head) if getattr(said, head) is not None}


def test_two_models_hand_over_conversions_and_the_others_money() -> None:
    assert [name for name in MODELS if model_of(name).unit == "conversions"] == ["esmm", "dnn_c"]


@pytest.mark.parametrize("name", AT_THE_MOMENTS)
def test_without_features_a_model_predicts_the_moments_of_the_labels(name: str) -> None:
    net = built(name)
    for module in net.modules():
        if hasattr(module, "linear") and module.linear.out_features in (1, 3):
            module.linear.weight.zero_()
    said = net.predict(net(features(3)))
    heads = model_of(name).heads
    if "p_c" in heads:
        assert said.p_c.tolist() == pytest.approx([0.01] * 3, rel=1e-6)
    assert said.expected_revenue.tolist() == pytest.approx([AT_THE_MOMENTS[name]] * 3, rel=1e-6)
    if "log10_revenue" in heads:
        assert said.log10_revenue.tolist() == pytest.approx([0.05 / math.log(10)] * 3, rel=1e-6)


def cross_entropy(p: float, label: float) -> float:
    return -math.log(p if label else 1 - p)


@pytest.mark.parametrize("name", WITH_A_FORMULA)
def test_the_loss_is_the_formula_of_each_example(name: str) -> None:
    """In plain Python from what the model predicts. That of `ptofa` is in test_ptofa."""
    net = built(name)
    click, conversion, revenue = [0.0, 1.0, 1.0], [0.0, 1.0, 0.0], [0.0, 120.5, 0.0]
    labels = Labels(*[torch.tensor(values).double() for values in (conversion, click, revenue)])
    output = net(features(3))
    loss, said = net.loss(output, labels), net.predict(output)
    for at in range(3):
        target = math.log1p(revenue[at])
        p = float(said.p_c[at]) if said.p_c is not None else 0.0
        if name == "dnn_c":
            wanted = cross_entropy(p, conversion[at])
        elif name == "dnn_r":
            wanted = (math.log1p(float(said.expected_revenue[at])) - target) ** 2
        elif name in ("shared_bottom", "mmoe"):
            y = math.log1p(float(said.expected_revenue[at]) / p)
            wanted = cross_entropy(p, conversion[at]) + conversion[at] * (y - target) ** 2
        elif name == "mtl_mse":
            y = math.log1p(float(said.expected_revenue[at]) / p)
            wanted = cross_entropy(p, conversion[at]) + (p * y - target) ** 2
        elif name == "esmm":
            ctr = 1 / (1 + math.exp(-float(output.click[at])))
            wanted = cross_entropy(ctr, click[at]) + cross_entropy(p, conversion[at])
        else:  # ziln
            mu, sigma = float(said.mu[at]), float(said.sigma[at])
            wanted = cross_entropy(p, conversion[at])
            if revenue[at]:
                z = (math.log(revenue[at]) - mu) / sigma
                wanted += z * z / 2 + math.log(revenue[at] * sigma * math.sqrt(2 * math.pi))
        assert float(loss[at]) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_the_product_of_two_probabilities_stays_finite_at_any_logits(label: float) -> None:
    grid = torch.tensor([-800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0], dtype=torch.float64)
    first, second = (part.flatten().requires_grad_() for part in torch.meshgrid(grid, grid, indexing="ij"))
    loss = product_nll(first, second, torch.full_like(first, label))
    assert torch.isfinite(loss).all()
    gradients = torch.autograd.grad(loss.sum(), (first, second))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    moderate = product_nll(*torch.tensor([0.3, -1.2, label], dtype=torch.float64))
    p = 1 / (1 + math.exp(-0.3)) / (1 + math.exp(1.2))
    assert float(moderate) == pytest.approx(cross_entropy(p, label), rel=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_who_converts(name: str) -> None:
    """Conversion depends on one number of the user. A few steps of Adam must find it, for expected_revenue too."""
    generator = torch.Generator().manual_seed(5)
    parts = [block(part, (1_500,), generator) for part in (LAYOUT.user, LAYOUT.fund, LAYOUT.pair)]
    taste = parts[0].numbers[:, 0]
    p = torch.sigmoid(-2.0 + 1.5 * taste)
    converted = (torch.rand(1_500, generator=generator) < p).float()
    money = torch.exp(3.0 + 0.5 * torch.randn(1_500, generator=generator)) * converted
    labels = Labels(converted, converted, money)
    torch.manual_seed(1)
    net = build_model(name, LAYOUT, ModelSettings(dropout=0.0))
    net.start_at(LabelMoments(float(converted.mean()), 3.0, 0.5, float(converted.mean()) + 0.01))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    before = float(net.loss(net(Features(*parts)), labels).mean().detach())
    for _ in range(60):
        optimizer.zero_grad()
        loss = net.loss(net(Features(*parts)), labels).mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < before
    said = net.eval().predict(net(Features(*parts)))
    assert roc_auc_score(converted, said.expected_revenue.detach()) > 0.75
