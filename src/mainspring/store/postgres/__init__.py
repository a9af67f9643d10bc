"""PostgreSQL store: one schema, shared by many machines."""
