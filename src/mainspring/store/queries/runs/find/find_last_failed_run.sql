select id from runs indexed by runs_state where state = {{failed}} and state not in ({{running}}, {{succeeded}}) order by seq desc limit 1
