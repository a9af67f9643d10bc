-- Ids begin with the instant of their creation, by clocks that may differ: so the first of several in commit order.
select min(seq) from (select seq from deliveries where id >= ? order by id limit 100) as oldest
