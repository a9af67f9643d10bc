select count(*) from (
    select 1 from effects left join runs on runs.id = effects.run
    where effects.state = {{in_doubt}} and (runs.id is null or runs.state <> {{needs_attention}}) limit ?
) as counted
