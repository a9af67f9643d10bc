delete from inbox using unnest(cast(?1 as bigint[]), cast(?2 as text[])) as wanted(seq, run)
where inbox.seq = wanted.seq and inbox.run = wanted.run
