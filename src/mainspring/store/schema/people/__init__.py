"""People: their access, and bulk operations."""
