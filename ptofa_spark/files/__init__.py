"""Input files: finding them, recognizing their format, and parsing their rows.

This room imports only `errors` and knows no table by name. `formats`, `cells`, `column_names`, `csv.header` and
`csv.rows` are kernels without Spark, so that tests can try thousands of inputs per second.
"""
