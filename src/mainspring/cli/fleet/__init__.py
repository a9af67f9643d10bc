"""Commands on the fleet of processes: start, stop, drain, workers, queues, locks."""
