"""What randomised logs say of an allocation."""
