-- The rows get their numbers in the order of the arrays, which is also their claim order.
insert into runs (id, automation, kind, version, title, state, queue, priority, tag, partition, ready, fresh, blocked, place, due_at,
                  deadline_at, created_at, started_at, changed_at, session, claim, codec, input, tags, run_key, parent, parent_ident,
                  parent_asked, close_policy, schedule, slot_at, trigger, healthy, item)
select * from unnest(
    cast(?1 as text[]), cast(?2 as text[]), cast(?3 as text[]), cast(?4 as bigint[]), cast(?5 as text[]), cast(?6 as text[]),
    cast(?7 as text[]), cast(?8 as bigint[]), cast(?9 as text[]), cast(?10 as text[]), cast(?11 as bigint[]), cast(?12 as bigint[]),
    cast(?13 as text[]), cast(?14 as bigint[]), cast(?15 as bigint[]), cast(?16 as bigint[]), cast(?17 as bigint[]),
    cast(?18 as bigint[]), cast(?19 as bigint[]), cast(?20 as bigint[]), cast(?21 as bigint[]), cast(?22 as text[]),
    cast(?23 as bytea[]), cast(?24 as bytea[]), cast(?25 as text[]), cast(?26 as text[]), cast(?27 as text[]), cast(?28 as bigint[]),
    cast(?29 as text[]), cast(?30 as text[]), cast(?31 as bigint[]), cast(?32 as text[]), cast(?33 as text[]), cast(?34 as text[]))
on conflict (id) do nothing
returning id
