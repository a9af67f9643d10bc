select count(*) from (
    select 1 from runs where ready = 1 and probation = ?1 and queue = ?2 and automation = ?3 and version = ?4 and tag = ?5
                         and (fresh, place, seq) < (?6, ?7, ?8) limit ?9
) as counted
