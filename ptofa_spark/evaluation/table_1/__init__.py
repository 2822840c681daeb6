"""Table 1 of the paper: every model compared."""
