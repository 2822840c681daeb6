"""Trains a model on the examples and keeps it as a folder of safetensors and JSON."""
