"""Views of rollouts."""
