"""The command line: arguments in, acts of the service floor, data on stdout."""
