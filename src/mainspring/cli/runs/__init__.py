"""Commands on one run or a list of runs: start, list, show, watch, logs, recovery."""
