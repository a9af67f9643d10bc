select case when state = {{done}} or decided_by is not null then 0 else 1 end as is_open
from effects where key >= ?1 and key < ?2 order by is_open desc limit 1
