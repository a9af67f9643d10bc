select runs.kind, undoing, generation, automation, run_key, queue, partition, parent,
       json_extract(cast(automations.definition as text), '$.options.on_cancel')
from runs left join automations on automations.name = runs.automation where runs.id = ?
