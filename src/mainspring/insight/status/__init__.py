"""The status of the whole project: one sentence, open problems, components, upcoming work, handover, search."""
