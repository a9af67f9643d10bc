insert into bulk_operations (id, verb, state, selection, automations, rate, piece, every_ms, actor, reason, total, made_at, changed_at, due_at)
values (:id, :verb, {{running}}, :selection, :automations, :rate, :piece, :every_ms, :actor, :reason, :total, :now, :now, :due_at)
on conflict (id) do nothing
