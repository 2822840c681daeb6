"""What a model's numbers are; without PyTorch, for those who only read them."""

from __future__ import annotations

from typing import Literal

# Of what a model hands the allocator, per exposure.
Unit = Literal["money", "conversions"]
# What a model may predict beside; fields of `Prediction`.
Head = Literal["p_c", "mu", "sigma", "log10_revenue"]
