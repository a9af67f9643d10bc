"""A worker at run time: its engine, its upkeep, and the intake and delivery beside it."""
