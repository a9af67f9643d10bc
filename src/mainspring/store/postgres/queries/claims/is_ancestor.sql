with recursive line(id) as (
    select cast(? as text) collate "C"
    union
    select runs.parent from line join runs on runs.id = line.id where runs.parent is not null
)
select 1 from line where id = ?
