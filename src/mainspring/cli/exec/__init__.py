"""Commands that a crontab starts: `mainspring exec` and `mainspring watch`."""
