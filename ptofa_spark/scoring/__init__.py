"""Scores every user-fund pair of a campaign on Spark's executors."""
