select automations.definition, runs.waiting_for from runs left join automations on automations.name = runs.automation where runs.id = ?
