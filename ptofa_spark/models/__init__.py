"""The models of the paper's Table 1: what each predicts for an exposure, and the loss that fits it."""
