"""The engine: it drives runs and the definitions they come from."""
