"""The Java virtual machine of a Spark session: what it is told, how it is started, and why it did not start."""
