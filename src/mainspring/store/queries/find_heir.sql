with recursive heirs (id, heir, depth) as (
    select id, json_extract(cast(detail as text), '$.restarted_as'), 0 from runs where id = ?
    union all
    select r.id, json_extract(cast(r.detail as text), '$.restarted_as'), heirs.depth + 1 from heirs join runs r on r.id = heirs.heir
    where heirs.depth < 1000000
)
select id from heirs order by depth desc limit 1
