"""Alerting assembled from settings and store: channels, runbooks, the watcher, and alerts while the store is lost."""
