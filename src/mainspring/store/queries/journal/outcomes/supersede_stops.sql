update journal set superseded = ? where run = ? and kind in ({{cancel}}, {{deadline}}, {{cleanup_timeout}}) and superseded is null
