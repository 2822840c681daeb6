"""Petastorm 0.13.1 on current versions of pyarrow and NumPy. It imports only `feed.files` and `errors`."""
