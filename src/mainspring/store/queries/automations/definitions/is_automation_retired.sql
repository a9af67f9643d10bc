select 1 from automations where name = ? and retired_at is not null
