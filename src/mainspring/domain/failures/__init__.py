"""Failures: exceptions as data, whether another try can help, and when it is due."""
