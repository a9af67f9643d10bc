"""Crash tests: the worker is killed at every crash point of a run, and the ends are compared."""
