"""Results that do not depend on partitions: hashes, exact sums, splits, and shares in whole numbers."""
