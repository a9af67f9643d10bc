select unproven.key, unproven.settled_at as since_at, unproven.note as reason from (
    select key, settled_at, note, run from effects where state = {{in_doubt}}
    union all
    select key, settled_at, note, run from effects where state = {{unknown}} and settled_at <= ?1 and decided_by is null
) as unproven left join runs on runs.id = unproven.run
where runs.id is null or runs.state in ({{succeeded}}, {{cancelled}})
order by unproven.settled_at, unproven.key limit ?2
