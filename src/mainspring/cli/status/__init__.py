"""The state of the whole project: `mainspring status` and `mainspring top`."""
