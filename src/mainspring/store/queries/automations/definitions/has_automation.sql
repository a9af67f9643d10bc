select 1 from automations where name = ?
