select version from automations where name = ?
