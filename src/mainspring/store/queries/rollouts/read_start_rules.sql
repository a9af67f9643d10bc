select retired_at is not null, (select max(id) from rollouts where automation = automations.name) from automations where name = ?
