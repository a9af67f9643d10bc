"""Access: roles, passwords, sign-in through a provider, and links in messages."""
