"""Feeds a Delta snapshot's own Parquet files to PyTorch through Petastorm."""
