"""What holds of an allocation, whoever made it: the upper bound and the gap, the audit, the summary."""
