"""Delta tables: versions, commits, checks of the target, and writing in one transaction."""
