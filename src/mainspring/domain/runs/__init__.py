"""Runs: the journal, log lines, outbox and conditions of a run, and bulk operations on runs."""
