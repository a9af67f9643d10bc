"""Triggers and deliveries: state, problems, what arrived."""
