"""The process of a job: its Spark session, its machine, its log lines, and the one line that explains a failure."""
