-- The newest runs of an automation that ended, or wait for a person's decision. Many others may precede them, so only a bounded number is
-- searched. A range of one name, sorted by it: otherwise a server would scan the runs of all automations.
select id, state, failed_ident, (select fingerprint from failures where failures.run = recent.id order by seq desc limit 1)
from (
    select id, state, failed_ident, seq from runs indexed by runs_automation
    where automation >= ?1 and automation <= ?1 order by automation desc, seq desc limit 500) as recent
where state in ({{succeeded}}, {{failed}}, {{cancelled}}, {{needs_attention}}) order by seq desc limit ?2
