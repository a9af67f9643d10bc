select deploy, retired_at from automations where name = ?
