delete from waits using (select * from unnest(cast(?1 as text[]), cast(?2 as text[])) limit cardinality(cast(?1 as text[])))
     as requested(run, ident)
where waits.run = requested.run and waits.ident = requested.ident
