"""Consumers and the router: deliveries that arrive become runs."""
