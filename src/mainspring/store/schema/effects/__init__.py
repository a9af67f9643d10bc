"""Tables of effects."""
