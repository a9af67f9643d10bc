"""A run explained: its steps, why it does not continue, what a person can do about it, failed runs by error, paths of many runs."""
