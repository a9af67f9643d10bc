"""Authentication: who sends a request, and whether it is let through."""
