delete from automations where name = ?
