"""Integrity of the store: lost commits, damage, and the head of the audit log."""
