"""Reads of runs: one run, lists of runs, the history that resumes one."""
