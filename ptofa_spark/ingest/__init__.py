"""Converts public data sets, or a user's own tables, into the raw tables of a warehouse."""
