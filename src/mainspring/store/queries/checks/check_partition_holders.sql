select holds.partition from holds left join runs on runs.id = holds.run
where runs.id is null or runs.finished_at is not null
order by holds.partition limit 20
