"""Public data, or a user's own tables, made into the raw tables of a warehouse."""
