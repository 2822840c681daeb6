"""PTOFA on Spark: predict each user's expected revenue for each fund, then allocate the funds (arXiv 2503.03165)."""

__version__ = "0.1.0"
