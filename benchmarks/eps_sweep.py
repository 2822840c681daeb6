"""Draws a figure of equation 6 of the paper on Hillstrom's spend without a covariate, for both forms and many eps.

eps is a small revenue, in money, of an example without a conversion. p is the probability of a conversion. mu and sigma
are the parameters of its log-normal revenue. These three are fitted to 64,000 customers, of whom 578 bought. The loss
has more than one minimum. So each eps is fitted from several starts, and the lowest minimum counts: training with
enough time finds it.
"""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch

from ptofa_spark.models.counterfactual import Counterfactual
from ptofa_spark.models.likelihoods import bounded_sigma, entire_space_nll

matplotlib.use("svg")
import matplotlib.pyplot as plt

matplotlib.rcParams["svg.hashsalt"] = "ptofa"  # the same figure gives the same file

ROOT = Path(__file__).parents[1]
SIGMA_MIN, SIGMA_MAX = 0.1, 2.0
_COLOURS: dict[Counterfactual, str] = {"density": "#d97706", "mass": "#2563eb"}


@dataclass(frozen=True)
class Fit:
    """The lowest minimum. loss: mean per customer; revenue: expected revenue E, money per customer."""

    p: float
    mu: float
    sigma: float
    loss: float

    @property
    def revenue(self) -> float:
        return self.p * math.exp(self.mu + self.sigma**2 / 2)


def read_spend(path: Path) -> np.ndarray:
    """Spend of each customer: (customers,), money."""
    with path.open(encoding="utf-8", newline="") as file:
        return np.array([float(row["spend"]) for row in csv.DictReader(file)])


def fit_without_covariates(
    spend: np.ndarray, form: Counterfactual, eps: float, sigma_min: float = SIGMA_MIN, sigma_max: float = SIGMA_MAX
) -> Fit:
    """The lowest minimum of the mean loss, in float64, of fits that start near the data and near the collapse.

    spend: (customers,), money. eps: money.
    """
    positive = spend[spend > 0]
    revenue = torch.tensor([0.0, *positive], dtype=torch.float64)
    weight = torch.ones(len(revenue), dtype=torch.float64)
    weight[0] = len(spend) - len(positive)
    log_mean = float(np.log(positive).mean())
    starts = [(-4.7, log_mean, 0.0), (5.0, math.log(eps), -3.0), (0.0, log_mean, 0.0)]
    fits = [_minimum(start, revenue, weight, form, eps, (sigma_min, sigma_max)) for start in starts]
    return min(fits, key=lambda fit: fit.loss)


def _minimum(
    start: tuple[float, float, float],
    revenue: torch.Tensor,
    weight: torch.Tensor,
    form: Counterfactual,
    eps: float,
    bounds: tuple[float, float],
) -> Fit:
    """The minimum that a fit from one start reaches. revenue: amounts, money; weight: customers with each amount."""
    point = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([point], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        sigma = bounded_sigma(point[2], *bounds)
        each = entire_space_nll(*(x.expand(len(revenue)) for x in (point[0], point[1], sigma)), revenue, eps, form)
        return (each * weight).sum() / weight.sum()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    with torch.no_grad():
        sigma = float(bounded_sigma(point[2], *bounds))
        return Fit(float(torch.sigmoid(point[0])), float(point[1]), sigma, float(loss()))


def main() -> None:
    """Fits every eps, prints some as a table and draws all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path, help="Hillstrom's e-mail campaign, as a CSV")
    spend = read_spend(parser.parse_args().csv)
    sweep = np.geomspace(1e-4, 20.0, 37)
    rate, mean = float((spend > 0).mean()), float(spend.mean())
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    print("| eps | form | p / rate | E / mean spend | loss |\n|---|---|---|---|---|")
    for form, colour in _COLOURS.items():
        fits = [fit_without_covariates(spend, form, float(eps)) for eps in sweep]
        for eps in (1e-4, 1e-2, 0.1, 0.5, 1.0, 5.0, 20.0):
            fit = fit_without_covariates(spend, form, eps)
            print(f"| {eps:g} | {form} | {fit.p / rate:.3f} | {fit.revenue / mean:.3f} | {fit.loss:.5f} |")
        for axis, values in zip(
            axes,
            ([f.p / rate for f in fits], [f.revenue / mean for f in fits], [f.loss for f in fits]),
            strict=True,
        ):
            axis.plot(sweep, values, color=colour, marker="o", markersize=3, label=form)
    bound = 1.0 / (SIGMA_MIN * math.sqrt(2.0 * math.pi))
    for axis, title in zip(axes, ("mean p / conversion rate", "E / mean spend", "loss per customer"), strict=True):
        axis.axvline(bound, color="#999999", linestyle="--", linewidth=1)
        axis.set(title=title, xlabel="eps (money)", xscale="log")
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[1].set_yscale("log")
    axes[0].legend()
    figure.savefig(ROOT / "docs" / "measured" / "eps_sweep.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
