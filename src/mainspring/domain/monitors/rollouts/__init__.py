"""Monitors of rollouts."""
