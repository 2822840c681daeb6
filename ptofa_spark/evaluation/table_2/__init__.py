"""Table 2 of the paper: a simulated campaign that compares arms."""
