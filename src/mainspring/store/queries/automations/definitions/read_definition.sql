select definition from automations where name = ? and retired_at is null
