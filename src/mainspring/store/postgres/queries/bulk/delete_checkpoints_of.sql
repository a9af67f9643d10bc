delete from checkpoints using (select * from unnest(cast(?1 as text[]), cast(?2 as text[])) limit cardinality(cast(?1 as text[])))
     as requested(run, ident)
where checkpoints.run = requested.run and checkpoints.ident = requested.ident
