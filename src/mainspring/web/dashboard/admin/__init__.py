"""Pages of administration: workers, queues, locks, people, settings, the audit log, a restored store."""
