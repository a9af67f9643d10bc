"""Base of actions: what several families use, and no action."""
