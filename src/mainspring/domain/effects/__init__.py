"""Effects: what an automation changes outside of itself, once for each key."""
