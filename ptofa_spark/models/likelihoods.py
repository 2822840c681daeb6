"""Likelihoods of a revenue R that is zero or log-normal: the paper's entire-space loss (equation 6) and others.

p_c is the probability of a conversion C. mu and sigma are the mean and the standard deviation of log R of a conversion.
All terms use logits and logarithms, so that they and their gradients stay finite for every output of the network.
Every argument broadcasts. Arrays are (examples,), and revenue is in the platform's currency.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as fn
from torch import Tensor

from ptofa_spark.models.counterfactual import Counterfactual

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def lognormal_logpdf(log_revenue: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """Log-density of the revenue, not of its logarithm, per unit of money. mu and sigma are those of log revenue."""
    deviation = (log_revenue - mu) / sigma
    return -log_revenue - torch.log(sigma) - _LOG_SQRT_2PI - 0.5 * deviation**2


def lognormal_logcdf(log_revenue: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """Logarithm of P(R <= revenue), from the logarithm of the revenue. mu and sigma are those of log revenue."""
    log_mass: Tensor = torch.special.log_ndtr((log_revenue - mu) / sigma)
    return log_mass


def entire_space_nll(
    logit: Tensor, mu: Tensor, sigma: Tensor, revenue: Tensor, eps: float, counterfactual: Counterfactual
) -> Tensor:
    """Negative log-likelihood of each example over the entire exposure space: (examples,) (paper, equation 6).

    The log-likelihood of a conversion (R > 0) is `log p_c + log pdf(R)`. Without a conversion it is
    `log(1 - p_c + p_c * q)`, where q is

    - density: the log-normal density at eps, as in the paper. It is at most 1 only if `require_bounded` passes;
    - mass: P(R <= eps | C), a proper likelihood. A zero is no conversion, or one too small to be recorded.

    Args:
        logit: logit of p_c.
        mu: mean of log revenue of a conversion.
        sigma: standard deviation of log revenue of a conversion, > 0.
        revenue: money, 0 without a conversion.
        eps: the counterfactual revenue, money, > 0.
        counterfactual: density or mass.

    Example: p_c is .5, and half of the conversions have a revenue of at most eps. The loss of a zero is
    -log(1 - .5 + .5 * .5), and the loss of a revenue of 1 is -log(.5 / sqrt(2 pi)):

    >>> logit, mu, sigma = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    >>> revenue = torch.tensor([0.0, 1.0], dtype=torch.float64)
    >>> loss = entire_space_nll(logit, mu, sigma, revenue, eps=1.0, counterfactual="mass")
    >>> [round(each, 4) for each in loss.tolist()]
    [0.2877, 1.6121]
    """
    positive = revenue > 0
    # Without a conversion, eps replaces the revenue, so that one density is computed for all rows. This also avoids
    # log(0): the gradient of `where` would be NaN, although `where` does not select the value.
    log_revenue = torch.log(torch.where(positive, revenue, torch.full_like(revenue, eps)))
    log_density = lognormal_logpdf(log_revenue, mu, sigma)
    if counterfactual == "mass":
        log_counterfactual = lognormal_logcdf(torch.full_like(revenue, math.log(eps)), mu, sigma)
    else:
        log_counterfactual = log_density
    log_p = fn.logsigmoid(logit)
    negative = torch.logaddexp(fn.logsigmoid(-logit), log_p + log_counterfactual)
    return -torch.where(positive, log_p + log_density, negative)


def conversion_nll(logit: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy of each example: -log p where the label is 1, -log(1 - p) where it is 0."""
    return -torch.where(label > 0, fn.logsigmoid(logit), fn.logsigmoid(-logit))


def zero_inflated_nll(logit: Tensor, mu: Tensor, sigma: Tensor, revenue: Tensor) -> Tensor:
    """Negative log-likelihood of each example under ZILN, the zero-inflated log-normal (Wang, Liu and Miao, 2019).

    It has no counterfactual term. The log-likelihood of a conversion (R > 0) is `log p_c + log pdf(R)`. Without a
    conversion it is `log(1 - p_c)`. The arguments are those of `entire_space_nll`.
    """
    positive = revenue > 0
    log_revenue = torch.log(torch.where(positive, revenue, torch.ones_like(revenue)))
    paid = torch.where(positive, lognormal_logpdf(log_revenue, mu, sigma), torch.zeros_like(mu))
    return conversion_nll(logit, positive.to(logit.dtype)) - paid


def product_nll(first: Tensor, second: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy of p = sigmoid(first) * sigmoid(second), label 0 or 1, finite at any logits (Ma, 2018)."""
    log_p = fn.logsigmoid(first) + fn.logsigmoid(second)
    # log(1 - p) = log(q1 + p1 * q2) with q = 1 - p. Both terms are positive, so that no digits cancel.
    log_not = torch.logaddexp(fn.logsigmoid(-first), fn.logsigmoid(first) + fn.logsigmoid(-second))
    return -torch.where(label > 0, log_p, log_not)


def bounded_sigma(raw: Tensor, sigma_min: float, sigma_max: float) -> Tensor:
    """Maps the network's unbounded output to a sigma in [sigma_min, sigma_max]."""
    return sigma_min + (sigma_max - sigma_min) * torch.sigmoid(raw)
