delete from waits using (select * from unnest(cast(?1 as text[]), cast(?2 as text[])) limit cardinality(cast(?1 as text[])))
     as wanted(run, ident)
where waits.run = wanted.run and waits.ident = wanted.ident
