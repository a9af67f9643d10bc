"""Commands as child processes: the step of a script, and runs of `mainspring exec`."""
