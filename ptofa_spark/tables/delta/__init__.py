"""Delta tables: versions, commits, what may be written to, and one transaction per write."""
