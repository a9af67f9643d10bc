select {{columns.http_targets.target}} from http_targets where target = ?
