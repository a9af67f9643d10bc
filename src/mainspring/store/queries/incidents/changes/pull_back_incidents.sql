-- Future instants, written by a clock that was ahead, count as now.
update incidents set since_at = case when since_at < ?1 then since_at else ?1 end, opened_at = case when opened_at < ?1 then opened_at else ?1 end,
                     changed_at = case when changed_at < ?1 then changed_at else ?1 end, seen_at = ?1
where state <> {{resolved}} and seen_at > ?2
