-- A live session is a sign of life; of a dead one only if it lived for some time.
select role,
    max(case when state in ({{closed}}, {{quarantined}}) or beat_at - opened_at >= ?1 then beat_at end),
    max(ended_at),
    max(case when state = {{dead}} then ended_at end)
from sessions
group by role
