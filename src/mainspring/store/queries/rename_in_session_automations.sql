update or replace session_automations set automation = ?1 where automation = ?2
