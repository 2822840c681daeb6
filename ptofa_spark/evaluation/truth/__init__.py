"""What the simulator's truth says of an allocation."""
