"""Evaluation: how good the predictions are, and what the allocations are worth, each beside its yardstick."""
