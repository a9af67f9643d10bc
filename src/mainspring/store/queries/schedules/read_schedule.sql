-- `is_created` = a person or program created it, and it is not deleted.
select case when options is not null and deleted_at is null then 1 else 0 end as is_created, spec, retired_at, key, next_slot_at
from schedules where name = ?
