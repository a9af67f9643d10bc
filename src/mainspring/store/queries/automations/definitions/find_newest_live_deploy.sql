select max(deploy) from sessions where state = {{alive}} and id is distinct from ?
