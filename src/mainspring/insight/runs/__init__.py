"""Runs: explanations, steps, why a run does not continue, what a person can do, failed runs by error, paths of many runs."""
