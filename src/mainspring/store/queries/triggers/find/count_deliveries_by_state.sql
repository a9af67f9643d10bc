select trigger, state, sum(at_intake), count(*), max(received_at) from (
    select trigger, state, case when key = 'refused:' || id then 1 else 0 end as at_intake, received_at
    from deliveries where seq >= ?1 and received_at >= ?2 order by seq desc limit ?3) as newest
group by trigger, state
