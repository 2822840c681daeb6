"""Features: what is known of a user, a fund and their pair before a campaign starts, and how it becomes numbers."""
