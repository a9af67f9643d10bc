select automations.name, automations.version, other.paused_at is not null and coalesce(other.paused_until, 9223372036854775807) > :now,
       other.paused_until
from (select automation as name, version from session_automations where session = :session) as automations
left join automations as other on other.name = automations.name
