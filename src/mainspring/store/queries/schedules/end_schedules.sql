update schedules set retired_at = ? where automation = ? and retired_at is null
