select {{columns.effect_calls.blocked_call}} from effect_calls
join effects on effects.key = effect_calls.key and effects.id = effect_calls.id left join runs on runs.id = effects.run
where effect_calls.run = ?1 and effect_calls.outcome = {{call.blocked}} and effects.state = {{in_doubt}}
    and not exists (
        select 1 from effect_calls as later
        where later.run = effect_calls.run and later.ident = effect_calls.ident and later.seq > effect_calls.seq
    )
order by effect_calls.seq limit ?2
