select place, seq from runs indexed by runs_ready
where ready = 1 and probation = 0 and queue = ? and automation = ? and version = ? and tag = ? and fresh = ? order by place, seq limit ?
