update runs set parent = old.parent, parent_ident = old.parent_ident, parent_request_number = old.parent_request_number, close_policy = old.close_policy,
                superseded = old.superseded, chain = old.chain, window_at = old.window_at, healthy = old.healthy, item = old.item
from (select parent, parent_ident, parent_request_number, close_policy, superseded, coalesce(chain, id) as chain,
             coalesce(window_at, created_at) as window_at, healthy, coalesce(item, id) as item
      from runs where id = :run) as old
where runs.id = :successor
