"""Watched folders: finding files, accepting them, and moving them after their runs."""
