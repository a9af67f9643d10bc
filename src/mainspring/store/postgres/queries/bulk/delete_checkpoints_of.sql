delete from checkpoints using (select * from unnest(cast(?1 as text[]), cast(?2 as text[])) limit cardinality(cast(?1 as text[])))
     as wanted(run, ident)
where checkpoints.run = wanted.run and checkpoints.ident = wanted.ident
