"""The unit and the heads that a model may declare. Code that only reads predictions imports this without PyTorch."""

from __future__ import annotations

from typing import Literal

# The unit of what the allocator gets from a model, per exposure.
Unit = Literal["money", "conversions"]
# What else a model may predict: fields of `Prediction`.
Head = Literal["p_c", "mu", "sigma", "log10_revenue"]
