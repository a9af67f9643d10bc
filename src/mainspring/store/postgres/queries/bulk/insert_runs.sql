-- The rows get their numbers in the order of the arrays, which is also their claim order.
insert into runs {{unnest.runs.new_run}}
on conflict (id) do nothing
returning id
