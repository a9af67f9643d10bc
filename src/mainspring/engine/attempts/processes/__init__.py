"""Child processes that run steps, and the channel to them."""
