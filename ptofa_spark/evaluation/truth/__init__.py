"""The simulator's truth: scores, outcomes, and the worth of an allocation."""
