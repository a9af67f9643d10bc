"""Traces: spans of committed work, for a tracing backend."""
