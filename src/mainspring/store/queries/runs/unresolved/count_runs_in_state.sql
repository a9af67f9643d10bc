select count(*) from (select 1 from runs indexed by runs_state where state = ? and state not in ({{running}}, {{succeeded}}) limit ?) as counted
