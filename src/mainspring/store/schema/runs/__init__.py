"""Runs: what they wait in, what they saved, what they hold, what is counted of them."""
