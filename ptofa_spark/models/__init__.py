"""Models of Table 1: what each predicts of an exposure, and the likelihood it is fitted by."""
