insert into deliveries (id, trigger, key, state, note, filtered, name, body_hash, body, data, headers, source, by_key, verified, run, due_at,
                        replay_of, redelivered, variant, received_at, changed_at)
select *, received_at from unnest(
    cast(?1 as text[]), cast(?2 as text[]), cast(?3 as text[]), cast(?4 as text[]), cast(?5 as text[]), cast(?6 as bigint[]),
    cast(?7 as text[]), cast(?8 as text[]), cast(?9 as bytea[]), cast(?10 as bytea[]), cast(?11 as bytea[]), cast(?12 as text[]),
    cast(?13 as text[]), cast(?14 as text[]), cast(?15 as text[]), cast(?16 as bigint[]), cast(?17 as text[]), cast(?18 as bigint[]),
    cast(?19 as text[]), cast(?20 as bigint[]))
    as incoming(id, trigger, key, state, note, filtered, name, body_hash, body, data, headers, source, by_key, verified, run, due_at, replay_of,
               redelivered, variant, received_at)
on conflict do nothing
returning id
