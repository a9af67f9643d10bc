insert into http_targets {{insert.http_targets.new_target}}
on conflict (target) do update set
    requests = excluded.requests, base_at = excluded.base_at, failures = excluded.failures, open_until_at = excluded.open_until_at, probe = excluded.probe,
    probe_until_at = excluded.probe_until_at, entered = excluded.entered, entered_at = excluded.entered_at, last_failure = excluded.last_failure,
    changed_at = excluded.changed_at
