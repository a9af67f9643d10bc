"""What a tracing backend is told: spans of what was committed."""
