"""What every method leaves: steps, the plan of them as JSON, and the table that they make. It knows no method."""
