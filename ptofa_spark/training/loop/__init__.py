"""The epoch loop and its state."""
