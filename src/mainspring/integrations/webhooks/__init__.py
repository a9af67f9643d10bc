"""Webhooks of all senders: their declaration, what is read of a request and what is stored of it."""
