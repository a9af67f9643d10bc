delete from inbox using (select * from unnest(cast(?1 as bigint[]), cast(?2 as text[])) limit cardinality(cast(?1 as bigint[])))
     as wanted(seq, run)
where inbox.seq = wanted.seq and inbox.run = wanted.run
