"""The report of an evaluation: its contents, its plots, its page."""
