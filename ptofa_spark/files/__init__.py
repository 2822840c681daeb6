"""Files as people hand them in: which they are, what format they have, what their rows say.

The room imports `errors` alone and knows no table by name. `formats`, `cells`, `column_names`, and of `csv` the
header and the rows are kernels: they know no Spark, so that thousands of inputs can be tried in a second.
"""
