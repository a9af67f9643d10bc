"""Redaction: names and values of secrets, and how text is kept free of them."""
