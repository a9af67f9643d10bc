"""Base of the actions: accounts, calls on record, mails."""
