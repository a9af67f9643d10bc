update runs set ready = 1
from (select cast(value as bigint) as seq from json_each(?1) limit jsonb_array_length(cast(?1 as jsonb))) as requested
where runs.seq = requested.seq and +runs.ready = 0 and runs.blocked is null
