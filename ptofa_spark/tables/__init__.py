"""Tables: their schemas, their names, and how they are read and written."""
