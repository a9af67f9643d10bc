"""Reads of a store by people and workers, the same for every database."""
