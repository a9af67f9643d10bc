"""Webhooks: requests of other systems, from the listener to the stored delivery."""
