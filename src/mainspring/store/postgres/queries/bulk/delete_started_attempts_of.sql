delete from attempts using (select * from unnest(cast(?1 as text[]), cast(?2 as text[])) limit cardinality(cast(?1 as text[])))
     as requested(run, ident)
where attempts.run = requested.run and attempts.ident = requested.ident and attempts.state = {{started}}
