select locks.name, locks.owner, locks.session, locks.token, locks.acquired_at, locks.note,
       case when locks.session is null or sessions.state in ({{alive}}, {{draining}}) then 1 else 0 end as live,
       locks.slot, locks.slots, null as place, null as until_at, coalesce(lock_tokens.longest_ms, 0) as longest_ms
from locks left join sessions on sessions.id = locks.session left join lock_tokens on lock_tokens.name = locks.name
union all
select lock_waiters.name, lock_waiters.owner, lock_waiters.session, null, lock_waiters.since_at, lock_waiters.note,
       case when sessions.state in ({{alive}}, {{draining}}) then 1 else 0 end,
       null, lock_waiters.slots, row_number() over (partition by lock_waiters.name order by lock_waiters.ticket), lock_waiters.until_at, 0
from lock_waiters left join sessions on sessions.id = lock_waiters.session
order by 1, 10 nulls first, 8
