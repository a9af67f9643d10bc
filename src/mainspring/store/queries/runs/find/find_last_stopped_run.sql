select id from runs indexed by runs_state where state = {{needs_attention}} and state not in ({{running}}, {{succeeded}}) order by seq desc limit 1
