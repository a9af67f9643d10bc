insert into bulk_acts (id, verb, state, which, automations, rate, piece, every_ms, actor, reason, total, made_at, changed_at, due_at)
values (:id, :verb, {{running}}, :which, :automations, :rate, :piece, :every_ms, :actor, :reason, :total, :now, :now, :due_at)
on conflict (id) do nothing
