"""Flags, for people: rules in words, questions of code, runs that hold answers, and history."""
