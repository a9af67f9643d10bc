"""The parts that a process makes from its settings: codec, calendars, failure rules, log, traces, metrics."""
