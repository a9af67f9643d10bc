"""What all OTLP requests share: the connection to a collector, and attributes without secrets."""
