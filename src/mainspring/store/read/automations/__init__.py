"""Reads of automations: definitions, figures, what comes next, what monitors need."""
