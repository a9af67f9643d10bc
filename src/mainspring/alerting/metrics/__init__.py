"""Metrics of a store, for a scrape or a collector."""
