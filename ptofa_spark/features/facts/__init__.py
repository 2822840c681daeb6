"""The facts that features are made of: raw tables, bad rows, and each user's records in order of time."""
