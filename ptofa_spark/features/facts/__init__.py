"""The facts that features are made of: raw tables, bad rows, records of users, their past, facts of pairs."""
