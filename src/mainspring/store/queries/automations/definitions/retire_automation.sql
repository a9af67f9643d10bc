update automations set retired_at = coalesce(retired_at, ?) where name = ?
