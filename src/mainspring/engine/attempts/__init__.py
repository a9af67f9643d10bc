"""Attempts of steps: how their code is started, what it may use, and how it ends."""
