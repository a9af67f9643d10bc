insert into consumed_facts (run, kind, source, receiver)
select coalesce(chain, id), cast(?2 as text), cast(?3 as text), case when chain is null then null else id end from runs where id = ?1
on conflict do nothing
