"""Setup of a process from its settings: codec, calendars, failure rules, log, traces, metrics."""
