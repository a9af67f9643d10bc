select {{columns.runs.run_row}}
from (select run from run_keys where automation = ? and key >= ? and key < ? order by key limit ?) as keyed
join runs on runs.id = keyed.run
