-- A live session is a sign of life; of a dead one only if it lived for some time.
select role,
    max(case when state in ({{closed}}, {{quarantined}}) or beat_at - opened_at >= ?1 then beat_at end) as seen_at,
    max(ended_at) as ended_at,
    max(case when state = {{dead}} then ended_at end) as died_at
from sessions
group by role
