"""What each table must contain: schemas, types and domains."""
