"""Handlers of runs: start, claim, change of state, journal, inbox."""
