"""Commands on flags: list, show, set, kill, history, delete."""
