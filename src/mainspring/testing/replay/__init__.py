"""Replays of exported journals as tests of a project."""
