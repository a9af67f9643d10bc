"""The one table of commands: name, where it is, and one line. docs/reference/cli.md shows the same lines (a test compares them)."""

from typing import Final

from mainspring.cli.lazy import Leaf, Noun, Tree

_RUNS: Final = {
    "list": Leaf("mainspring.cli.runs_list:list_command", "list runs, newest first"),
    "show": Leaf("mainspring.cli.runs_show:show", "show a run: its steps, every attempt, what happens next"),
    "watch": Leaf("mainspring.cli.runs_watch:watch", "follow a run until it ends or needs a person"),
    "logs": Leaf("mainspring.cli.runs_logs:logs", "print what a run logged and printed"),
    "diff": Leaf("mainspring.cli.runs_diff:diff", "compare a run with another one, or with the last good one"),
    "export": Leaf("mainspring.cli.runs_export:export", "print all that is known of a run, as JSON"),
    "retry": Leaf("mainspring.cli.runs_mend:retry", "continue failed runs, from where they failed or from a step"),
    "cancel": Leaf("mainspring.cli.runs_acts:cancel", "ask runs to stop"),
    "signal": Leaf("mainspring.cli.runs_acts:signal", "send a message to a run"),
    "answer": Leaf("mainspring.cli.runs_acts:answer", "answer what a run asks"),
    "give-result": Leaf("mainspring.cli.runs_mend:give_result", "give the result of a step by hand"),
}
_AUTO: Final = {
    "list": Leaf("mainspring.cli.auto:list_command", "list automations"),
    "show": Leaf("mainspring.cli.auto:show", "show an automation with all its options"),
    "pause": Leaf("mainspring.cli.auto_acts:pause", "start nothing of it for a while"),
    "resume": Leaf("mainspring.cli.auto_acts:resume", "take a pause or a retirement back"),
    "retire": Leaf("mainspring.cli.auto_acts:retire", "declare it gone for good, so that nobody misses it"),
    "next": Leaf("mainspring.cli.auto_next:next_command", "show when it starts next, or would between two times"),
    "backfill": Leaf("mainspring.cli.auto_backfill:backfill_command", "make the runs of due times of the past"),
    "graph": Leaf("mainspring.cli.auto_graph:graph", "show what starts what"),
    "paths": Leaf("mainspring.cli.auto_paths:paths", "show which way its runs go, and which failures end them"),
}
_FAILED: Final = {
    "list": Leaf(
        "mainspring.cli.failed:list_command", "list runs that failed or need a person, and that no one has decided on"
    ),
    "retry": Leaf("mainspring.cli.failed:retry", "continue all of them that a filter means"),
    "discard": Leaf("mainspring.cli.failed:discard", "decide that no one will continue them"),
}
_BULK: Final = {
    "list": Leaf("mainspring.cli.bulk_acts:list_command", "list acts on many, newest first"),
    "show": Leaf("mainspring.cli.bulk_acts:show", "show an act on many: how far it is, what was refused"),
    "pause": Leaf("mainspring.cli.bulk_acts:pause", "do nothing more of it for now"),
    "resume": Leaf("mainspring.cli.bulk_acts:resume", "go on with it"),
    "stop": Leaf("mainspring.cli.bulk_acts:stop", "end it: the rest is left as it is"),
}
_TRIGGERS: Final = {
    "list": Leaf("mainspring.cli.triggers:list_command", "list triggers: what they listen to, and what arrived"),
    "show": Leaf("mainspring.cli.triggers_show:show", "show a trigger with what it holds, or a delivery as it came"),
    "test": Leaf("mainspring.cli.triggers_try:test", "say what an event would do, without storing it"),
    "replay": Leaf("mainspring.cli.triggers:replay", "let deliveries arrive once more"),
}
_QUEUES: Final = {
    "list": Leaf("mainspring.cli.queues:list_command", "list queues with their limits and load"),
    "show": Leaf("mainspring.cli.queues:show", "show a queue"),
    "pause": Leaf("mainspring.cli.queues:pause", "claim nothing from a queue"),
    "resume": Leaf("mainspring.cli.queues:resume", "go on with a queue"),
}
_WORKERS: Final = {
    "list": Leaf("mainspring.cli.workers:list_command", "list processes that use the store"),
    "drain": Leaf("mainspring.cli.workers:drain", "let a worker finish and take nothing new"),
    "quarantine": Leaf("mainspring.cli.workers:quarantine", "take everything away from a worker at once"),
}
_INCIDENTS: Final = {
    "list": Leaf("mainspring.cli.incidents:list_command", "list what is wrong now"),
    "show": Leaf(
        "mainspring.cli.incidents_show:show", "show an incident: what, since when, what was done, who was told"
    ),
    "ack": Leaf("mainspring.cli.incidents:ack", "say that you look after it"),
    "snooze": Leaf("mainspring.cli.incidents:snooze", "say no more of it for a while"),
    "resolve": Leaf("mainspring.cli.incidents:resolve", "say that it is over"),
}
_LOCKS: Final = {
    "list": Leaf("mainspring.cli.locks:list_command", "list locks that are held"),
    "break": Leaf("mainspring.cli.locks:break_command", "take a lock away from its holder"),
}
_NOTIFY: Final = {
    "test": Leaf("mainspring.cli.notify_try:test", "tell a channel, or each of them, that this is a test"),
    "routes": Leaf(
        "mainspring.cli.notify_routes:routes", "show who would be told, and when, if something went wrong now"
    ),
    "log": Leaf("mainspring.cli.notify_log:log", "list what was told to whom, and what waits to be told"),
}
_MONITORS: Final = {
    "list": Leaf("mainspring.cli.monitors:list_command", "list monitors: what each judges, and what it finds now"),
    "show": Leaf("mainspring.cli.monitors:show", "show a monitor: each figure, and how the verdict follows"),
}
_AUDIT: Final = {
    "list": Leaf("mainspring.cli.audit_log:list_command", "list acts of people and programs, newest first"),
    "verify": Leaf("mainspring.cli.audit_log:verify", "check that nothing in the log was changed"),
}
_DB: Final = {
    "migrate": Leaf("mainspring.cli.db:migrate", "bring the store to this version's form, or create it"),
    "check": Leaf("mainspring.cli.db:check", "read the whole store and say what is wrong"),
    "backup": Leaf("mainspring.cli.db_backup:backup", "write a checked copy"),
    "restore": Leaf("mainspring.cli.db_restore:restore", "put a backup in its place, decide its runs, release it"),
    "shell": Leaf("mainspring.cli.db:shell", "look into the store with SQL, read-only"),
    "prune": Leaf("mainspring.cli.db_prune:prune", "delete what has outlived its retention and shrink the file"),
    "move": Leaf("mainspring.cli.db_move:move", "move the store to another place, with its whole history"),
}

TREE: Final[Tree] = {
    "init": Leaf("mainspring.cli.init:init", "make a project: configuration, an example, tests"),
    "add": Noun(
        "add an automation to a project",
        {
            "script": Leaf("mainspring.cli.add:script", "add a script to scripts.toml"),
            "workflow": Leaf("mainspring.cli.add:workflow", "write a file with a workflow to begin from"),
        },
    ),
    "dev": Leaf("mainspring.cli.dev_command:dev", "run everything, and reload on changes"),
    "up": Leaf("mainspring.cli.up_command:up", "run workers, scheduler, watcher and web"),
    "down": Leaf("mainspring.cli.down_command:down", "stop what `up` started"),
    "drain": Leaf("mainspring.cli.drain_command:drain", "let workers finish their runs and take no new ones"),
    "exec": Leaf("mainspring.cli.exec_command:exec_command", "wrap any command: record, lock, retry, time out"),
    "watch": Leaf(
        "mainspring.cli.watch_command:watch_command", "check once what is late, and notify: the one extra crontab line"
    ),
    "run": Leaf("mainspring.cli.run_command:run_command", "start a run and wait for its result"),
    "crash": Leaf("mainspring.cli.crash_command:crash", "kill -9 the worker at a chosen commit, to see it resume"),
    "runs": Noun("runs: list, look into, continue, stop", _RUNS),
    "auto": Noun("automations: list, look into, pause, retire", _AUTO),
    "failed": Noun("runs that failed or need a person", _FAILED),
    "bulk": Noun("background operations on many runs or deliveries", _BULK),
    "incidents": Noun("incidents: list, show, acknowledge, snooze, resolve", _INCIDENTS),
    "monitors": Noun("monitors: what is watched, and what was found", _MONITORS),
    "triggers": Noun("triggers: what they listen to, and what arrived", _TRIGGERS),
    "queues": Noun("queues: limits, load, pause", _QUEUES),
    "workers": Noun("processes that use the store", _WORKERS),
    "locks": Noun("locks that are held", _LOCKS),
    "notify": Noun("notifications: channels, routes, what was sent", _NOTIFY),
    "audit-log": Noun("who did what, when and why", _AUDIT),
    "db": Noun("the store: schema, check, backup, retention", _DB),
    "logs": Leaf("mainspring.cli.logs_command:logs_command", "print the log of all runs, newest last"),
    "status": Leaf("mainspring.cli.status:status", "show the state of the project in one sentence"),
    "top": Leaf("mainspring.cli.top_command:top", "show the state live, redrawn every second"),
    "explain": Leaf("mainspring.cli.explain:explain_command", "explain what a run is doing, why, and what you can do"),
    "doctor": Leaf("mainspring.cli.doctor:doctor", "check the whole installation"),
    "open": Leaf("mainspring.cli.open_command:open_command", "print a link that opens the pages once"),
    "completion": Leaf("mainspring.cli.completion:completion", "print the completion script of a shell"),
    "version": Leaf("mainspring.cli.version:version", "print the version"),
}
