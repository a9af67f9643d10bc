-- Ids begin with the instant at which they were made, by clocks that may differ: so of several the first in commit order.
select min(seq) from (select seq from deliveries where id >= ? order by id limit 100) as oldest
