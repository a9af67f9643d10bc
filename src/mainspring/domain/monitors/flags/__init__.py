"""Monitors of flags: questions that got no answer, expiry dates, flags that decide nothing any more."""
