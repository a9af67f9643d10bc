"""Reads of automations: definitions, statistics, upcoming slots, inputs of monitors."""
