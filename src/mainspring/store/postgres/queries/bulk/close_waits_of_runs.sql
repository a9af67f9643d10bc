delete from waits using (select * from unnest(cast(?1 as text[])) limit cardinality(cast(?1 as text[]))) as wanted(run)
where waits.run = wanted.run
