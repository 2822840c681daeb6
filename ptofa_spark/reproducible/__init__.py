"""What keeps partitions from changing a result: hashes, sums that are exact in any order, shares of whole numbers."""
