-- The numbers of a run's steps, and of the runs that it started. What a later generation superseded does not count. "Cross" keeps SQLite from
-- reading whole tables.
with recursive family (id, superseded) as (
    select id, cast(null as bigint) from runs where id = ?
    union all
    select runs.id, coalesce(family.superseded, runs.superseded) from family cross join runs where runs.parent = family.id
)
select measurements.numbers from family cross join measurements cross join journal
where family.superseded is null and measurements.run = family.id
  and journal.run = measurements.run and journal.rank = measurements.rank and journal.superseded is null
