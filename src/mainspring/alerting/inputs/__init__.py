"""Inputs of monitors: facts and history from the store, cached between evaluations."""
