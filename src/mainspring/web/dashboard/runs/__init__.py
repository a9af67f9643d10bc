"""Pages of runs: lists, one run with its steps, log and values, failed runs, questions, bulk operations."""
