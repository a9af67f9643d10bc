"""Commands on secrets."""
