insert into incidents (id, automation, kind, fingerprint, state, severity, text, hint, facts, since_at, opened_at, changed_at, seen_at, opened,
                       number, parent)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?11, 1, ?12, ?13)
