select {{columns.automation_versions.automation_version}} from automation_versions where automation = ? order by version
