"""Trains a model on the examples and saves it as a folder of safetensors and JSON."""
