select name from automations order by name
