"""Access: people, tokens, sign-in and the keys that prove it."""
