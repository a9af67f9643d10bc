update journal set superseded = ? where run = ? and kind in ({{cancel}}, {{deadline}}) and superseded is null
