-- A batch of the open members by one error, newest first, each with its run if that has been stopped by it since ?6.
select newest.seq, newest.at, {{columns.runs.run_row}}
from (select seq, run, at from failures where automation = ?1 and fingerprint = ?2 and settled_at is null and seq < ?3 order by seq desc limit ?4) as newest
left join runs on runs.id = newest.run and newest.at >= ?6 and runs.state in {{reopenable}} and (cast(?5 as text) is null or runs.state = ?5)
order by newest.seq desc
