"""Bulk statements: one statement with arrays as parameters answers all commands of one kind in a group."""
