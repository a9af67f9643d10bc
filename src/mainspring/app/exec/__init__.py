"""Programs that a crontab starts and that end by themselves: `mainspring exec` and `mainspring watch`."""
