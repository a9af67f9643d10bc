"""Who may do what: roles, passwords, sign-in through a provider, and links in messages."""
