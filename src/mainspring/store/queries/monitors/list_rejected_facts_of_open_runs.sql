select runs.automation, rejected_facts.run, rejected_facts.kind, rejected_facts.name, rejected_facts.rejected_at
from rejected_facts join runs on runs.id = rejected_facts.run where runs.finished_at is null
order by rejected_facts.seq limit ?
