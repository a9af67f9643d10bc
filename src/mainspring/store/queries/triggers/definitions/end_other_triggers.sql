update triggers set ended_at = ? where automation = ? and ended_at is null and name not in (select value from json_each(?))
