"""What each table must hold: schemas, types, domains."""
