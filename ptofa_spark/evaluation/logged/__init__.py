"""Estimates of an allocation's worth from randomised logs."""
