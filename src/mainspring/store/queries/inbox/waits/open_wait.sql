insert into waits (run, ident, kind, name, shape, match_hash, since_at, until_at, question, opened_at, request_number, schema, session,
                   assignee, remind_ms, escalate_ms, escalate_to)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (run, ident) do update set kind = excluded.kind, name = excluded.name, shape = excluded.shape, match_hash = excluded.match_hash,
                                       since_at = excluded.since_at, until_at = excluded.until_at, question = excluded.question, request_number = excluded.request_number,
                                       schema = excluded.schema, session = excluded.session, assignee = excluded.assignee, remind_ms = excluded.remind_ms,
                                       escalate_ms = excluded.escalate_ms, escalate_to = excluded.escalate_to
