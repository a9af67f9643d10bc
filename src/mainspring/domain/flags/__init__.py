"""Flags: values that a person changes while the code runs, for some keys or for all of them."""
