"""Feeds the Parquet files of a Delta snapshot to PyTorch through Petastorm or pyarrow."""
