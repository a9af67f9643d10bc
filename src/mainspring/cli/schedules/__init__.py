"""The commands `mainspring schedules ...`."""
