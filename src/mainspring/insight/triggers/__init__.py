"""Triggers and deliveries: state, findings, received deliveries."""
