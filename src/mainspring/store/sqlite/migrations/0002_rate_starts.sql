-- The starts of a queue's last span, as domain/rate_window.py writes them: a rate holds in any span.
-- rate_next_us is only for processes of the form before.
alter table queues add column rate_starts text not null default '[]';
