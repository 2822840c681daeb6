"""The likelihoods, compared with 50-digit arithmetic, their gradients, and the bound of the loss."""

from __future__ import annotations

import itertools
import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptofa_spark.errors import ConfigError
from ptofa_spark.models.counterfactual import Counterfactual, require_bounded
from ptofa_spark.models.likelihoods import (
    bounded_sigma,
    entire_space_nll,
    lognormal_logcdf,
    lognormal_logpdf,
)
from ptofa_spark.models.settings import ModelSettings

FORMS: tuple[Counterfactual, ...] = ("density", "mass")


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def exact_nll(logit: float, mu: float, sigma: float, revenue: float, eps: float, form: str) -> float:
    """Equation 6 with its products, as the paper writes it, in 50 digits."""
    with mpmath.workdps(50):
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(logit)))

        def pdf(r: mpmath.mpf) -> mpmath.mpf:
            return mpmath.npdf(mpmath.log(r), mu, sigma) / r

        if revenue > 0:
            return float(-mpmath.log(p * pdf(mpmath.mpf(revenue))))
        below = pdf(mpmath.mpf(eps)) if form == "density" else mpmath.ncdf((mpmath.log(eps) - mu) / mpmath.mpf(sigma))
        return float(-mpmath.log((1 - p) + p * below))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("eps", [0.01, 1.0, 50.0])
def test_the_loss_equals_equation_6_in_50_digits(form: Counterfactual, eps: float) -> None:
    grid = itertools.product(
        [-60.0, -6.0, 0.0, 3.0, 60.0], [-2.0, 0.5, 8.0], [0.4, 1.3], [0.0, 1e-12, 0.7, 5500.0, 1e12]
    )
    for logit, mu, sigma, revenue in grid:
        nll = entire_space_nll(double(logit), double(mu), double(sigma), double(revenue), eps, form)
        wanted = exact_nll(logit, mu, sigma, revenue, eps, form)
        assert float(nll) == pytest.approx(wanted, rel=1e-11, abs=1e-15), (logit, mu, sigma, revenue)


def test_the_logarithms_are_right_far_into_the_tails() -> None:
    for revenue, mu, sigma in itertools.product([1e-12, 3.0, 1e12], [-5.0, 0.0, 9.0], [0.4, 2.0]):
        at = [double(math.log(revenue)), double(mu), double(sigma)]
        with mpmath.workdps(400):
            z = (mpmath.log(mpmath.mpf(revenue)) - mu) / mpmath.mpf(sigma)
            mass = float(mpmath.log(mpmath.ncdf(z)))
            density = float(mpmath.log(mpmath.npdf(z) / (mpmath.mpf(sigma) * mpmath.mpf(revenue))))
        assert float(lognormal_logcdf(*at)) == pytest.approx(mass, rel=1e-9, abs=1e-300)
        assert float(lognormal_logpdf(*at)) == pytest.approx(density, rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_loss_and_its_gradients_are_finite_at_the_extremes(form: Counterfactual) -> None:
    grid = itertools.product(
        [-1e4, -100.0, 0.0, 100.0, 1e4], [-1e3, 0.0, 1e3], [-1e3, 0.0, 1e3], [0.0, 1e-12, 1.0, 1e12]
    )
    logit, mu, raw, revenue = (torch.tensor(column) for column in zip(*grid, strict=True))
    inputs = [tensor.requires_grad_() for tensor in (logit, mu, raw)]
    loss = entire_space_nll(inputs[0], inputs[1], bounded_sigma(inputs[2], 0.4, 2.0), revenue, 1.0, form)
    loss.sum().backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss).all()
    for tensor in inputs:
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_finite_differences(form: Counterfactual) -> None:
    generator = torch.Generator().manual_seed(3)
    logit, mu, raw = (torch.randn(12, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(3))
    revenue = torch.where(torch.arange(12) % 3 == 0, 5.0, 0.0).double()

    def loss(logit: torch.Tensor, mu: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        return entire_space_nll(logit, mu, bounded_sigma(raw, 0.4, 2.0), revenue, 1.0, form)

    assert torch.autograd.gradcheck(loss, (logit, mu, raw))


@given(
    logit=st.floats(-50, 50),
    mu=st.floats(-50, 50),
    raw=st.floats(-50, 50),
    log_revenue=st.floats(math.log(1e-12), math.log(1e12)),
    eps_scale=st.floats(1.0, 100.0),
    sigma_min=st.floats(0.05, 1.0),
)
def test_no_output_takes_the_loss_below_its_bound(
    logit: float, mu: float, raw: float, log_revenue: float, eps_scale: float, sigma_min: float
) -> None:
    eps = eps_scale / (sigma_min * math.sqrt(2 * math.pi)) * (1 + 1e-9)
    require_bounded("density", eps, sigma_min, 3.0)
    sigma = bounded_sigma(double(raw), sigma_min, 3.0)
    without = entire_space_nll(double(logit), double(mu), sigma, double(0.0), eps, "density")
    assert float(without) >= -1e-12
    of_conversion = entire_space_nll(double(logit), double(mu), sigma, double(math.exp(log_revenue)), eps, "density")
    assert float(of_conversion) >= log_revenue + math.log(sigma_min * math.sqrt(2 * math.pi)) - 1e-9


def test_only_the_bound_keeps_the_density_loss_above_zero() -> None:
    at = double(50.0), double(math.log(0.01)), double(0.1)
    assert float(entire_space_nll(*at, double(0.0), 0.01, "density")) < -1.0
    assert float(entire_space_nll(*at, double(0.0), 0.01, "mass")) >= 0.0


def test_settings_that_break_the_bound_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no lower bound; give eps >= .* sigma_min >= .* counterfactual = mass"):
        ModelSettings(eps=0.01)
    with pytest.raises(ConfigError, match=r"sigma_max = 0.3 must be above sigma_min = 0.4"):
        ModelSettings(sigma_max=0.3)
    assert ModelSettings(eps=0.01, sigma_min=0.1, counterfactual="mass").eps == 0.01
    assert ModelSettings(eps=1.0, sigma_min=0.4).sigma_min == 0.4  # 1.0027, just inside


def test_sigma_keeps_its_bounds_for_any_output() -> None:
    sigma = bounded_sigma(torch.tensor([-1e30, -100.0, 0.0, 100.0, 1e30]), 0.4, 2.0)
    assert sigma.min() >= 0.4 - 1e-6
    assert sigma.max() <= 2.0 + 1e-6
    assert float(sigma[2]) == pytest.approx(1.2)
