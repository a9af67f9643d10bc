update schedules set retired_at = null where automation = ? and deleted_at is null
