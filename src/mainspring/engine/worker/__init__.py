"""The worker: it claims runs, holds their drivers, watches them, and schedules slots."""
