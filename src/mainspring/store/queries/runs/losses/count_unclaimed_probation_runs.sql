select count(*) from runs indexed by runs_probation
where probation = 1 and session is null and finished_at is null and state not in ({{needs_attention}}, {{paused}})
