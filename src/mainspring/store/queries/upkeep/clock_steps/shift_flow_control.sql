update flow_control set counted_at = counted_at + :by, started_at = started_at + :by, since_at = since_at + :by, keep_until = keep_until + :by
where keep_until > :pending
