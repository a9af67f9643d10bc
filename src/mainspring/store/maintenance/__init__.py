"""Carrying a whole store from one database into another, row by row, and proving that all of it came over."""
