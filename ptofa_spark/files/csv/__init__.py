"""CSV files: how a file is laid out, its header, its rows and what is wrong in them."""
