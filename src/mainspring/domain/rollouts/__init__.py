"""Rollouts: the new runs of one automation are divided between two of its versions, and the guard compares both. Pure."""
