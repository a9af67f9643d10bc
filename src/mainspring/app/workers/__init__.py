"""Workers at run time: the engine, its upkeep, and the intake and delivery next to it."""
