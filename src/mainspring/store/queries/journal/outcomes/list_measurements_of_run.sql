-- The numbers of a run's steps, and of the runs that it started. Superseded outcomes do not count.
with recursive family (id) as (
    select id from runs where id = ?
    union all
    select runs.id from runs join family on runs.parent = family.id where runs.superseded is null
)
select measurements.numbers from measurements
join family on measurements.run = family.id
join journal on journal.run = measurements.run and journal.rank = measurements.rank and journal.superseded is null
