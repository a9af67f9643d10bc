select distinct queue, partition from runs where id = any(cast(? as text[])) and partition is not null
