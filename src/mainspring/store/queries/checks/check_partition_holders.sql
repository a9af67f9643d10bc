select partition_holds.partition from partition_holds left join runs on runs.id = partition_holds.run
where runs.id is null or runs.finished_at is not null
order by partition_holds.partition limit 20
