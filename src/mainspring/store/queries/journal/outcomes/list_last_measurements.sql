-- The numbers of the last runs of one version that succeeded, and of the runs that they started.
with recursive family (id) as (
    select id from (
        select id from runs where automation = ? and version = ? and state = {{succeeded}} order by seq desc limit ?
    ) as recent
    union all
    select runs.id from runs join family on runs.parent = family.id where runs.superseded is null
)
select measurements.numbers from measurements join family on measurements.run = family.id
