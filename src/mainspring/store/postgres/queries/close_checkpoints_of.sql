delete from checkpoints using unnest(cast(?1 as text[]), cast(?2 as text[])) as wanted(run, ident)
where checkpoints.run = wanted.run and checkpoints.ident = wanted.ident
