"""Common parts of OTLP requests: the connection to a collector, and attributes without secrets."""
