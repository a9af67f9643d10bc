"""A lab: a whole installation inside of one test, on a virtual clock."""
