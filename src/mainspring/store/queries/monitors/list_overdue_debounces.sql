-- The keys of these triggers (a list as JSON) whose debounce has released nothing since ?2 or longer, and when the newest delivery is due.
select trigger, by_key, since_at, due_at from (
    select flow_control.trigger, flow_control.by_key, flow_control.since_at,
           (select max(held.due_at) from deliveries as held
            where held.trigger = flow_control.trigger and held.by_key = flow_control.by_key and held.state = {{held}}) as due_at
    from flow_control where flow_control.trigger in (select value from json_each(?1)) and flow_control.since_at <= ?2) as marked
where due_at is not null order by since_at limit 100
