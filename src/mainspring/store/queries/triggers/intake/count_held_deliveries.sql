select count(*), (select due_at from deliveries where trigger = ?1 and by_key = ?2 and state = {{held}} order by seq desc limit 1)
from deliveries where trigger = ?1 and by_key = ?2 and state = {{held}}
