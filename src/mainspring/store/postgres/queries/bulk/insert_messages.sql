insert into outbox (id, queue, state, key, body, is_raw, headers, run, ident, made_at)
select id, queue, state, key, body, is_raw, headers, run, ident, made_at
from unnest(cast(?1 as text[]), cast(?2 as text[]), cast(?3 as text[]), cast(?4 as text[]), cast(?5 as bytea[]), cast(?6 as bigint[]),
            cast(?7 as bytea[]), cast(?8 as text[]), cast(?9 as text[]), cast(?10 as bigint[])) with ordinality
     as requested(id, queue, state, key, body, is_raw, headers, run, ident, made_at, place)
order by place
on conflict (id) do nothing
