"""Commands on automations: `mainspring auto`, with due times, the graph, and new files."""
