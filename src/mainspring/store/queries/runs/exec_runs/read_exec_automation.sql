select kind, definition, retired_at from automations where name = ?
