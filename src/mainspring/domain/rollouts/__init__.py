"""Rollouts: the new runs of one automation are divided between two of its versions."""
