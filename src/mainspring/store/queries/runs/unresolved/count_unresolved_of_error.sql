-- Among the newest open members by one error: how many runs have been stopped by them since ?5, and how many members there were since then.
select count(runs.id), count(case when newest.at >= ?5 then 1 end)
from (select seq, run, at from failures where automation = ?1 and fingerprint = ?2 and settled_at is null order by seq desc limit ?3) as newest
left join runs on runs.id = newest.run and newest.at >= ?5 and runs.state in {{reopenable}} and (cast(?4 as text) is null or runs.state = ?4)
