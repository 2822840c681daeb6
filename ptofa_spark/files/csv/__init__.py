"""CSV files: header, layout, rows, and the error for a bad row."""
