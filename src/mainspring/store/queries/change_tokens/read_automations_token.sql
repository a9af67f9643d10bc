-- Each operation on an automation changes one of its instants: it is announced, fails to load, is paused, resumed, retired.
select count(*), max(announced_at), count(problem), count(paused_at), sum(paused_at), sum(paused_until), count(retired_at), sum(retired_at)
from automations
