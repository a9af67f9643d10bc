insert into outbox_leases (queue, lease, session, until_at, due_at, failures) values (?, ?, ?, ?, 0, 0)
on conflict (queue) do update set lease = excluded.lease, session = excluded.session, until_at = excluded.until_at
