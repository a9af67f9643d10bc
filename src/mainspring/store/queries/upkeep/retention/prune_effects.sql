delete from effects where key in (
    select effects.key from effects left join runs on runs.id = effects.run
    where effects.state = {{done}} and effects.within_ms is not null and effects.settled_at + effects.within_ms <= ?1 and runs.id is null
    order by effects.settled_at limit ?2
)
