insert into error_groups (automation, fingerprint, type, code, place, message, first_at, last_at, number, first_run, last_run)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (automation, fingerprint) do update set message = excluded.message, last_at = excluded.last_at,
    number = error_groups.number + excluded.number, last_run = excluded.last_run
