"""How a job runs: its process, its Spark session, its machine, and what is said when it fails."""
