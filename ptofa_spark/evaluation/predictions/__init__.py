"""Predictions against outcomes: metrics, calibration, intervals."""
