"""The pipeline: every stage, in the data's order, in one Spark session."""
