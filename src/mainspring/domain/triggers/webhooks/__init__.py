"""Webhooks: how senders are verified, and how a request becomes a delivery."""
