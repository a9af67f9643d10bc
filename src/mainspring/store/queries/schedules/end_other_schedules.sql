update schedules set retired_at = ? where automation = ? and retired_at is null and options is null and name not in (select value from json_each(?))
