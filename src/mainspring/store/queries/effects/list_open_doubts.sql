select effects.key, effects.settled_at as since_at, effects.note as reason from effects left join runs on runs.id = effects.run
where effects.state = {{in_doubt}} and (runs.id is null or runs.state in ({{succeeded}}, {{cancelled}}))
order by effects.settled_at, effects.key limit ?
