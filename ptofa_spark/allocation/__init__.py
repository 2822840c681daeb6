"""Allocation: which K funds each user sees, so that expected revenue is highest under C1, C2 and C3 (paper, section 2)."""
