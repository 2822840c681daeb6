"""The data: how the table of scores is read, who may see what in it, and the passes that carry kernels over it."""
