"""Rollouts: two versions of a workflow side by side, and the guard that compares them. Pure."""
