"""Secrets that code uses: what a use is, and the errors of a read."""
