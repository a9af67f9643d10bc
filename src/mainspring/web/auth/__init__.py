"""Authentication: identify the sender of a request, and let it through or reject it."""
