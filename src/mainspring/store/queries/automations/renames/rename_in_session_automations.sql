update session_automations set automation = ?1
where automation = ?2 and not exists (
    select 1 from session_automations as other where other.session = session_automations.session and other.automation = ?1
)
