select key, state, intent, skips, coalesce(settled_at, started_at) from effects
order by coalesce(settled_at, started_at) desc, key desc limit ?
