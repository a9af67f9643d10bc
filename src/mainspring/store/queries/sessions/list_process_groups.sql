select pgid, started from process_groups where session = ? order by pgid
