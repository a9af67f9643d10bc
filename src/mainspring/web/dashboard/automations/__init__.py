"""Pages of automations: lists, one automation, its schedule, starting a run, backfill."""
