select session, automation, version from session_automations order by session, automation, version
