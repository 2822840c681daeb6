"""The counterfactual term of equation 6: its forms, and the bound that keeps its loss from falling below 0."""

from __future__ import annotations

import math
from typing import Literal

from ptofa_spark.errors import ConfigError

Counterfactual = Literal["density", "mass"]


def require_bounded(counterfactual: Counterfactual, eps: float, sigma_min: float, sigma_max: float) -> None:
    """Rejects settings under which the loss of an example without a conversion may fall below 0.

    The log-normal density at eps is at most 1 / (eps * sigma * sqrt(2 pi)), reached at mu = log eps. With
    `eps * sigma_min * sqrt(2 pi) >= 1` it is at most 1, so the loss of an example without a conversion is at least 0.
    Otherwise p_c = 1 with an expected revenue near eps may have a lower loss than the true parameters. For a small
    enough eps it does.

    Raises:
        ConfigError: the bound does not hold, or sigma_max is not above sigma_min.
    """
    if sigma_max <= sigma_min:
        raise ConfigError(f"sigma_max = {sigma_max:g} must be above sigma_min = {sigma_min:g}")
    bound = eps * sigma_min * math.sqrt(2.0 * math.pi)
    if counterfactual == "density" and bound < 1.0:
        raise ConfigError(
            f"eps * sigma_min * sqrt(2 pi) = {bound:.3g} is below 1 (eps = {eps:g}, sigma_min = {sigma_min:g}): the "
            f"density loss would have no lower bound; give eps >= {1 / (sigma_min * math.sqrt(2 * math.pi)):.4g} or "
            f"sigma_min >= {1 / (eps * math.sqrt(2 * math.pi)):.4g}, or counterfactual = mass"
        )
