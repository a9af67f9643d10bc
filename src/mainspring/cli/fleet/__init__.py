"""Commands on what runs on machines: start, stop, drain, workers, queues, locks."""
