"""What HA is compared with: the manual strategy, and two solvers of small instances."""
