update schedules set retired_at = null where automation = ?
