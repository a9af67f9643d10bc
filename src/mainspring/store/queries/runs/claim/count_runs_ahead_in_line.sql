select count(*) from (
    select 1 from runs where automation = ?1 and concurrency_key = ?2 and blocked = 'concurrency' and (fresh, -priority, seq) < (?3, ?4, ?5) limit ?6
) as counted
