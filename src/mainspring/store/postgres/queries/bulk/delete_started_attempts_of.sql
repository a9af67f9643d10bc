delete from attempts using (select * from unnest(cast(?1 as text[]), cast(?2 as text[])) limit cardinality(cast(?1 as text[])))
     as wanted(run, ident)
where attempts.run = wanted.run and attempts.ident = wanted.ident and attempts.state = {{started}}
