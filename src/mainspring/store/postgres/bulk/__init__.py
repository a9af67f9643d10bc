"""Commands of one kind in one group, answered by one statement with arrays for parameters."""
