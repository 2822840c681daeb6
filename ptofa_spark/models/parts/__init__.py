"""The parts that several models share."""
