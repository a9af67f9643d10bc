"""The body of a run: its deterministic loop, its requests, and what user code sees as `run`."""
