"""Table 1 of the paper: a comparison of all models."""
