with recursive above (id, parent, automation, kind, input, depth) as (
    select id, parent, automation, kind, input, 1 from runs where id = :parent
    union all
    select r.id, r.parent, r.automation, r.kind, r.input, above.depth + 1
    from above join runs r on r.id = above.parent where above.depth < :deepest
)
select id, depth from above
where (automation = :automation and kind = :kind and input = :input) or depth >= :deepest
order by depth limit 1
