"""What people and workers read of a store, whatever the database."""
