"""SQLite store: one file, shared by several processes of one machine."""
