"""One function per act of a person or program, each with its actor, reason and command id."""
