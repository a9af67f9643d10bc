"""Log lines of steps and runs, from the code that writes them to the store."""
