"""A synthetic platform of any size whose every value is a pure function of (seed, table, key)."""
