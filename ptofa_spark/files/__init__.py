"""Files as people hand them in: which they are, what format they have, what their rows say.

The room imports `errors` alone and knows no table by name. `formats`, `csv_header`, `csv_rows`, `cells` and
`column_names` are kernels: they know no Spark, so that they can be tested by the thousand.
"""
