"""Equation 6 on real spend without a covariate: where its optimum is the truth, and where it collapses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.eps_sweep import fit_without_covariates, read_spend
from ptofa_spark.models.counterfactual import Counterfactual
from ptofa_spark.models.settings import ModelSettings
from tests.training.in_memory import InMemory, fitted

HILLSTROM = Path(os.environ.get("HILLSTROM_CSV", "../shared/data/hillstrom.csv"))
pytestmark = pytest.mark.skipif(not HILLSTROM.exists(), reason=f"no Hillstrom CSV at {HILLSTROM}: set HILLSTROM_CSV")


@pytest.fixture(scope="module")
def spend() -> np.ndarray:
    return read_spend(HILLSTROM)


@pytest.mark.parametrize(
    ("form", "eps"), [("density", 1.0), ("density", 5.0), ("mass", 1e-4), ("mass", 0.1), ("mass", 1.0)]
)
def test_a_bounded_loss_ends_at_the_moments_of_the_data(spend: np.ndarray, form: Counterfactual, eps: float) -> None:
    settings = ModelSettings(counterfactual=form, eps=eps)  # refuses what has no bound
    fit = fit_without_covariates(spend, form, eps, settings.sigma_min, settings.sigma_max)
    log_spend = np.log(spend[spend > 0])
    assert fit.p == pytest.approx((spend > 0).mean(), rel=0.05)
    assert fit.mu == pytest.approx(log_spend.mean(), abs=0.01)
    assert fit.sigma == pytest.approx(log_spend.std(), abs=0.01)
    assert fit.revenue == pytest.approx(spend.mean(), rel=0.05)
    assert fit.loss == pytest.approx(0.1024, abs=1e-4)  # ZILN's


@pytest.mark.parametrize("form", ["density", "mass"])
def test_after_training_the_mean_of_p_is_the_conversion_rate(spend: np.ndarray, form: Counterfactual) -> None:
    """The network and the trainer on one feature: what a customer spent in the year before.

    The step is smaller than the default: with that the mean of p varies by 6 % about the rate of the 433 conversions.
    """
    history = np.log(pd.read_csv(HILLSTROM)["history"].to_numpy())
    scaled = torch.tensor((history - history.mean()) / history.std(), dtype=torch.float32)
    source = InMemory(scaled, torch.tensor(spend, dtype=torch.float32))
    model, _ = fitted(source, counterfactual=form, learning_rate=1e-4)
    rows = torch.arange(source.train_rows)
    with torch.inference_mode():
        p_c = model.predict(model(source.batch(rows).features)).p_c
    assert p_c is not None
    rate = float((source.revenue[rows] > 0).float().mean())
    assert float(p_c.mean()) == pytest.approx(rate, rel=0.05)
    assert float(p_c.std()) > 0.1 * rate  # a fit, not a constant


@pytest.mark.parametrize("eps", [1e-4, 0.01, 0.5])
def test_below_the_bound_the_density_loss_collapses(spend: np.ndarray, eps: float) -> None:
    fit = fit_without_covariates(spend, "density", eps, sigma_min=0.1)
    assert fit.p > 0.999
    assert eps / 2 < fit.revenue < 3 * eps
