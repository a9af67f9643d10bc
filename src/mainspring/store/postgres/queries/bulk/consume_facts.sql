delete from inbox using (select * from unnest(cast(?1 as bigint[]), cast(?2 as text[])) limit cardinality(cast(?1 as bigint[])))
     as requested(seq, run)
where inbox.seq = requested.seq and inbox.run = requested.run
