update runs set parent = old.parent, parent_ident = old.parent_ident, close_policy = old.close_policy
from (select parent, parent_ident, close_policy from runs where id = :run) as old
where runs.id = :heir
