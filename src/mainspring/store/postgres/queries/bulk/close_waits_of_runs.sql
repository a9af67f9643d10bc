delete from waits using (select * from unnest(cast(?1 as text[])) limit cardinality(cast(?1 as text[]))) as requested(run)
where waits.run = requested.run
