insert into automation_versions {{insert.automation_versions.new_automation_version}}
on conflict (automation, version) do update set
    kind = excluded.kind, definition = excluded.definition, fingerprint = excluded.fingerprint,
    schedules = excluded.schedules, triggers = excluded.triggers, deploy = excluded.deploy, announced_at = excluded.announced_at
