"""Automations as users declare them: decorators, files, options, and the data that a worker announces."""
