-- The values of run ?1 that name files, in the order of the run, and their places. Such a value begins with the list of its blobs (?2).
-- The identity of a step is its place.
select place, value from (
    select 0 as part, 0 as number, 'input' as place, input as value from runs where id = ?1 and substr(input, 1, 3) = ?2
    union all
    select 1 as part, rank as number, ident as place, output as value from journal where run = ?1 and substr(output, 1, 3) = ?2
    union all
    select 2 as part, at as number, ident as place, value from checkpoints where run = ?1 and substr(value, 1, 3) = ?2
    union all
    select 3 as part, seq as number, coalesce(name, kind) as place, payload as value from inbox where run = ?1 and substr(payload, 1, 3) = ?2
    union all
    select 4 as part, 0 as number, 'state' as place, published as value from runs where id = ?1 and substr(published, 1, 3) = ?2
    union all
    select 5 as part, 0 as number, 'result' as place, result as value from runs where id = ?1 and substr(result, 1, 3) = ?2
) as found order by part, number, place
