"""What HA is compared with: the manual strategy, and the integer program of small instances."""
