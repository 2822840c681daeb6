"""Compares predictions with outcomes: metrics, calibration, intervals."""
