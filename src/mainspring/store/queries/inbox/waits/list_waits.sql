select {{columns.waits.wait_view}} from waits where run = ? order by opened_at, ident
