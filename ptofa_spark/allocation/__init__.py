"""Allocation: which K funds each user sees, for the most expected revenue under C1, C2, C3 (paper, section 2)."""
