-- The numbers of the last runs of one version that succeeded, and of the runs that they started.
with recursive family (id) as (
    select id from (
        select id from runs where automation = ? and version = ? and state = {{succeeded}} order by seq desc limit ?
    ) as recent
    union all
    select runs.id from family cross join runs where runs.parent = family.id
)
select measurements.numbers from family cross join measurements where measurements.run = family.id
