"""The settings of a model. Every row of Table 1 has the same settings, and each model uses some of them."""

from __future__ import annotations

from pydantic import Field, model_validator

from ptofa_spark.config import Settings
from ptofa_spark.models.counterfactual import Counterfactual, require_bounded


class ModelSettings(Settings):
    """The settings that rebuild a trained model."""

    embedding_dim: int = Field(24, ge=1, le=512, description="width of a categorical feature's embedding (paper: 24)")
    hidden: str = Field(
        "128,64",
        pattern=r"^[1-9][0-9]{0,3}(,[1-9][0-9]{0,3}){0,7}$",
        coerce_numbers_to_str=True,
        description="widths of the hidden layers, from the features to the heads",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="share of hidden units dropped in training (paper: .1, .3, .5)")
    counterfactual: Counterfactual = Field(
        "density",
        description="q of eq. 6: density (log-normal density at eps, paper) or mass (P(revenue <= eps | conversion))",
    )
    eps: float = Field(1.0, gt=0, description="counterfactual revenue without a conversion, in the platform's currency")
    sigma_min: float = Field(0.4, gt=0, description="least standard deviation of log revenue")
    sigma_max: float = Field(2.0, gt=0, description="greatest standard deviation of log revenue")

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """The widths of the hidden layers, as numbers."""
        return tuple(int(width) for width in self.hidden.split(","))

    @model_validator(mode="after")
    def _bounded(self) -> ModelSettings:
        require_bounded(self.counterfactual, self.eps, self.sigma_min, self.sigma_max)
        return self
