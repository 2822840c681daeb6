"""The network: blocks that broadcast, heads that start at the data's moments, models by name."""

from __future__ import annotations

import math

import pytest
import torch
import yaml
from pydantic import ValidationError
from torch import nn

from ptofa_spark.errors import ConfigError
from ptofa_spark.feed.blocks import Block, Features, Labels
from ptofa_spark.models.build import build_model
from ptofa_spark.models.parts.embedding import BlockLinear, Embedded
from ptofa_spark.models.parts.heads import LabelMoments, LogNormalHead
from ptofa_spark.models.parts.prediction import RevenueModel, lognormal_prediction
from ptofa_spark.models.parts.trunk import Trunk
from ptofa_spark.models.registry import MODELS
from ptofa_spark.models.settings import ModelSettings
from tests.models.blocks import LAYOUT, block


def model(seed: int = 0) -> RevenueModel[object]:
    torch.manual_seed(seed)
    made = build_model("ptofa", LAYOUT, ModelSettings(dropout=0.5))
    made.eval()
    return made.requires_grad_(False)


def test_all_funds_at_once_equal_each_pair_by_itself() -> None:
    generator = torch.Generator().manual_seed(1)
    users, funds = 40, 6
    user = block(LAYOUT.user, (users, 1), generator)
    fund = block(LAYOUT.fund, (1, funds), generator)
    pair = block(LAYOUT.pair, (users, funds), generator)
    net = model()
    at_once = net.predict(net(Features(user, fund, pair)))
    assert at_once.expected_revenue.shape == (users, funds)
    for u in range(users):
        for f in range(funds):
            alone = Features(
                Block(user.codes[u], user.numbers[u]),
                Block(fund.codes[:, f], fund.numbers[:, f]),
                Block(pair.codes[u, f][None], pair.numbers[u, f][None]),
            )
            wanted = net.predict(net(alone)).expected_revenue
            assert float(at_once.expected_revenue[u, f]) == pytest.approx(float(wanted), rel=1e-5)


def test_the_blocked_layer_is_the_linear_layer_of_the_joined_blocks() -> None:
    layer = BlockLinear((3, 2, 1), 4).double()
    user, fund, pair = torch.randn(5, 1, 3).double(), torch.randn(1, 7, 2).double(), torch.randn(5, 7, 1).double()
    joined = torch.cat([user.expand(5, 7, 3), fund.expand(5, 7, 2), pair], dim=-1)
    wanted = joined @ layer.linear.weight.T + layer.linear.bias
    assert torch.allclose(layer(Embedded(user, fund, pair)), wanted, rtol=1e-12, atol=1e-12)


def test_columns_of_a_block_do_not_share_vectors() -> None:
    """Code 1 of the first column and code 1 of the second are different words."""
    net = model()
    numbers = torch.zeros(2, 4)
    embedded = net.embedding.user(Block(torch.tensor([[1, 1], [2, 1]]), numbers))  # type: ignore[operator, union-attr]
    first, second = embedded[0, :24], embedded[0, 24:48]
    assert not torch.allclose(first, second)
    assert torch.equal(embedded[0, 24:48], embedded[1, 24:48])
    assert not torch.allclose(embedded[0, :24], embedded[1, :24])


def test_without_features_the_heads_predict_the_moments_of_the_labels() -> None:
    head = LogNormalHead(64, 0.4, 2.0).requires_grad_(False)
    head.start_at(LabelMoments(rate=0.003, log_revenue_mean=7.9, log_revenue_sd=1.1))
    output = head(torch.zeros(1, 64))
    prediction = lognormal_prediction(torch.sigmoid(output.logit), output.mu, output.sigma)
    assert prediction.p_c is not None
    assert float(prediction.p_c) == pytest.approx(0.003, rel=1e-5)
    assert float(output.mu) == pytest.approx(7.9)
    assert float(output.sigma) == pytest.approx(1.1)
    assert float(prediction.expected_revenue) == pytest.approx(0.003 * math.exp(7.9 + 1.1**2 / 2), rel=1e-5)


@pytest.mark.parametrize("deviation", [0.0, 0.1, 50.0])
def test_a_deviation_outside_the_bounds_starts_inside_them(deviation: float) -> None:
    head = LogNormalHead(64, 0.4, 2.0).requires_grad_(False)
    head.start_at(LabelMoments(0.5, 1.0, deviation))
    assert 0.4 < float(head(torch.zeros(1, 64)).sigma) < 2.0


def test_dropout_works_in_training_only() -> None:
    generator = torch.Generator().manual_seed(2)
    features = Features(*[block(part, (9,), generator) for part in (LAYOUT.user, LAYOUT.fund, LAYOUT.pair)])
    net = model()
    assert torch.equal(net(features).mu, net(features).mu)  # type: ignore[attr-defined]
    net.train()
    assert not torch.equal(net(features).mu, net(features).mu)  # type: ignore[attr-defined]


def test_the_loss_is_equation_6_of_each_example() -> None:
    generator = torch.Generator().manual_seed(2)
    features = Features(*[block(part, (3,), generator) for part in (LAYOUT.user, LAYOUT.fund, LAYOUT.pair)])
    net = model().double()
    features = Features(*[Block(part.codes, part.numbers.double()) for part in vars(features).values()])
    revenue = torch.tensor([0.0, 12.5, 0.0]).double()
    output = net(features)
    loss = net.loss(output, Labels((revenue > 0).double(), (revenue > 0).double(), revenue))
    said = net.predict(output)
    assert said.p_c is not None
    assert said.mu is not None
    assert said.sigma is not None
    for at in range(3):
        p, mu, sigma = float(said.p_c[at]), float(said.mu[at]), float(said.sigma[at])
        money = float(revenue[at]) or 1.0
        density = math.exp(-((math.log(money) - mu) ** 2) / (2 * sigma**2)) / (money * sigma * math.sqrt(2 * math.pi))
        wanted = -math.log(p * density) if revenue[at] > 0 else -math.log(1 - p + p * density)
        assert float(loss[at]) == pytest.approx(wanted, rel=1e-9)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    known = ", ".join(MODELS)
    with pytest.raises(ConfigError, match=f"unknown model 'zilm': choose one of {known}"):
        build_model("zilm", LAYOUT, ModelSettings())


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize(("hidden", "widths"), [("7", [7]), ("16,8,5", [16, 8, 5])])
def test_every_trunk_has_the_hidden_widths_of_the_settings(name: str, hidden: str, widths: list[int]) -> None:
    net = build_model(name, LAYOUT, ModelSettings.model_validate({"hidden": yaml.safe_load(hidden)}))
    trunks = [part for part in net.modules() if isinstance(part, Trunk)]
    assert trunks
    for trunk in trunks:
        layers = [part.out_features for part in trunk.modules() if isinstance(part, nn.Linear)]
        assert layers == widths
    generator = torch.Generator().manual_seed(2)
    features = Features(*(block(layout, (9,), generator) for layout in (LAYOUT.user, LAYOUT.fund, LAYOUT.pair)))
    assert net.predict(net(features)).expected_revenue.isfinite().all()


@pytest.mark.parametrize("hidden", ["", "128,", "0,64", "128;64", "-1", "1.5"])
def test_hidden_widths_that_are_no_numbers_are_refused(hidden: str) -> None:
    with pytest.raises(ValidationError, match="hidden"):
        ModelSettings(hidden=hidden)
