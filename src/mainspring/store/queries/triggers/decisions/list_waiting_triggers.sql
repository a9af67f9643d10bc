-- The triggers with undecided deliveries, each found by one index lookup, however many wait.
with recursive waiting(name) as (
    select min(trigger) from deliveries where state = {{received}} and filtered = ?1
    union all
    select (select min(trigger) from deliveries where state = {{received}} and filtered = ?1 and trigger > waiting.name)
    from waiting where waiting.name is not null
)
select name from waiting where name is not null
