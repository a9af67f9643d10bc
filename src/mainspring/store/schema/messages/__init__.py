"""Messages: the inbox of runs, their waits, and events."""
