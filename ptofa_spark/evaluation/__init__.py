"""Evaluation: measures predictions and allocations, and compares each with a reference."""
