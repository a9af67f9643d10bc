select {{columns.runs.child_of_step}} from runs
where parent = ? and parent_ident = ? and superseded is null order by seq desc limit 1
