"""Words, states and pure functions of time: no I/O, no clock."""
