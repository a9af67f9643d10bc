"""The one table of commands: name, where it is, and one line. docs/reference/cli.md shows the same lines (a test compares them)."""

from typing import Final

from mainspring.cli.lazy import Leaf, Noun, Tree

_CLI = "mainspring.cli"

_RUNS: Final = {
    "list": Leaf(f"{_CLI}.runs_list:list_command", "list runs, newest first"),
    "show": Leaf(f"{_CLI}.runs_show:show", "show a run: its steps, every attempt, what happens next"),
    "watch": Leaf(f"{_CLI}.runs_watch:watch", "follow a run until it ends or needs a person"),
    "logs": Leaf(f"{_CLI}.runs_logs:logs", "print what a run logged and printed"),
    "diff": Leaf(f"{_CLI}.runs_diff:diff", "compare a run with another one, or with the last good one"),
    "export": Leaf(f"{_CLI}.runs_export:export", "print all that is known of a run, as JSON"),
    "retry": Leaf(f"{_CLI}.runs_mend:retry", "continue failed runs, from where they failed or from a step"),
    "cancel": Leaf(f"{_CLI}.runs_acts:cancel", "ask runs to stop"),
    "signal": Leaf(f"{_CLI}.runs_acts:signal", "send a message to a run"),
    "answer": Leaf(f"{_CLI}.runs_acts:answer", "answer what a run asks"),
    "give-result": Leaf(f"{_CLI}.runs_mend:give_result", "give the result of a step by hand"),
}
_AUTO: Final = {
    "list": Leaf(f"{_CLI}.auto:list_command", "list automations"),
    "show": Leaf(f"{_CLI}.auto:show", "show an automation with all its options"),
    "pause": Leaf(f"{_CLI}.auto_acts:pause", "start nothing of it for a while"),
    "resume": Leaf(f"{_CLI}.auto_acts:resume", "take a pause or a retirement back"),
    "retire": Leaf(f"{_CLI}.auto_acts:retire", "declare it gone for good, so that nobody misses it"),
    "next": Leaf(f"{_CLI}.auto_next:next_command", "show when it starts next, or would between two times"),
    "backfill": Leaf(f"{_CLI}.auto_backfill:backfill_command", "make the runs of due times of the past"),
    "graph": Leaf(f"{_CLI}.auto_graph:graph", "show what starts what"),
    "paths": Leaf(f"{_CLI}.auto_paths:paths", "show which way its runs go, and which failures end them"),
}
_FAILED: Final = {
    "list": Leaf(
        f"{_CLI}.failed:list_command", "list runs that failed or need a person, and that no one has decided on"
    ),
    "retry": Leaf(f"{_CLI}.failed:retry", "continue all of them that a filter means"),
    "discard": Leaf(f"{_CLI}.failed:discard", "decide that no one will continue them"),
}
_BULK: Final = {
    "list": Leaf(f"{_CLI}.bulk_acts:list_command", "list acts on many, newest first"),
    "show": Leaf(f"{_CLI}.bulk_acts:show", "show an act on many: how far it is, what was refused"),
    "pause": Leaf(f"{_CLI}.bulk_acts:pause", "do nothing more of it for now"),
    "resume": Leaf(f"{_CLI}.bulk_acts:resume", "go on with it"),
    "stop": Leaf(f"{_CLI}.bulk_acts:stop", "end it: the rest is left as it is"),
}
_TRIGGERS: Final = {
    "list": Leaf(f"{_CLI}.triggers:list_command", "list triggers: what they listen to, and what arrived"),
    "show": Leaf(f"{_CLI}.triggers_show:show", "show a trigger with what it holds, or a delivery as it came"),
    "test": Leaf(f"{_CLI}.triggers_try:test", "say what an event would do, without storing it"),
    "replay": Leaf(f"{_CLI}.triggers:replay", "let deliveries arrive once more"),
}
_QUEUES: Final = {
    "list": Leaf(f"{_CLI}.queues:list_command", "list queues with their limits and load"),
    "show": Leaf(f"{_CLI}.queues:show", "show a queue"),
    "pause": Leaf(f"{_CLI}.queues:pause", "claim nothing from a queue"),
    "resume": Leaf(f"{_CLI}.queues:resume", "go on with a queue"),
}
_WORKERS: Final = {
    "list": Leaf(f"{_CLI}.workers:list_command", "list processes that use the store"),
    "drain": Leaf(f"{_CLI}.workers:drain", "let a worker finish and take nothing new"),
    "quarantine": Leaf(f"{_CLI}.workers:quarantine", "take everything away from a worker at once"),
}
_INCIDENTS: Final = {
    "list": Leaf(f"{_CLI}.incidents:list_command", "list what is wrong now"),
    "show": Leaf(f"{_CLI}.incidents_show:show", "show an incident: what, since when, what was done, who was told"),
    "ack": Leaf(f"{_CLI}.incidents:ack", "say that you look after it"),
    "snooze": Leaf(f"{_CLI}.incidents:snooze", "say no more of it for a while"),
    "resolve": Leaf(f"{_CLI}.incidents:resolve", "say that it is over"),
}
_LOCKS: Final = {
    "list": Leaf(f"{_CLI}.locks:list_command", "list locks that are held"),
    "break": Leaf(f"{_CLI}.locks:break_command", "take a lock away from its holder"),
}
_NOTIFY: Final = {
    "test": Leaf(f"{_CLI}.notify_try:test", "tell a channel, or each of them, that this is a test"),
    "routes": Leaf(f"{_CLI}.notify_routes:routes", "show who would be told, and when, if something went wrong now"),
    "log": Leaf(f"{_CLI}.notify_log:log", "list what was told to whom, and what waits to be told"),
}
_MONITORS: Final = {
    "list": Leaf(f"{_CLI}.monitors:list_command", "list monitors: what each judges, and what it finds now"),
    "show": Leaf(f"{_CLI}.monitors:show", "show a monitor: each figure, and how the verdict follows"),
}
_AUDIT: Final = {
    "list": Leaf(f"{_CLI}.audit_log:list_command", "list acts of people and programs, newest first"),
    "verify": Leaf(f"{_CLI}.audit_log:verify", "check that nothing in the log was changed"),
}
_DB: Final = {
    "migrate": Leaf(f"{_CLI}.db:migrate", "bring the store to this version's form, or create it"),
    "check": Leaf(f"{_CLI}.db:check", "read the whole store and say what is wrong"),
    "backup": Leaf(f"{_CLI}.db_backup:backup", "write a checked copy"),
    "restore": Leaf(f"{_CLI}.db_restore:restore", "put a backup in its place, decide its runs, release it"),
    "shell": Leaf(f"{_CLI}.db:shell", "look into the store with SQL, read-only"),
    "prune": Leaf(f"{_CLI}.db_prune:prune", "delete what has outlived its retention and shrink the file"),
    "move": Leaf(f"{_CLI}.db_move:move", "move the store to another place, with its whole history"),
}

TREE: Final[Tree] = {
    "init": Leaf(f"{_CLI}.init:init", "make a project: configuration, an example, tests"),
    "add": Noun(
        "add an automation to a project",
        {
            "script": Leaf(f"{_CLI}.add:script", "add a script to scripts.toml"),
            "workflow": Leaf(f"{_CLI}.add:workflow", "write a file with a workflow to begin from"),
        },
    ),
    "dev": Leaf(f"{_CLI}.dev_command:dev", "run everything, and reload on changes"),
    "up": Leaf(f"{_CLI}.up_command:up", "run workers, scheduler, watcher and web"),
    "down": Leaf(f"{_CLI}.down_command:down", "stop what `up` started"),
    "drain": Leaf(f"{_CLI}.drain_command:drain", "let workers finish their runs and take no new ones"),
    "exec": Leaf(f"{_CLI}.exec_command:exec_command", "wrap any command: record, lock, retry, time out"),
    "watch": Leaf(
        f"{_CLI}.watch_command:watch_command", "check once what is late, and notify: the one extra crontab line"
    ),
    "run": Leaf(f"{_CLI}.run_command:run_command", "start a run and wait for its result"),
    "crash": Leaf(f"{_CLI}.crash_command:crash", "kill -9 the worker at a chosen commit, to see it resume"),
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
    "logs": Leaf(f"{_CLI}.logs_command:logs_command", "print the log of all runs, newest last"),
    "status": Leaf(f"{_CLI}.status:status", "show the state of the project in one sentence"),
    "top": Leaf(f"{_CLI}.top_command:top", "show the state live, redrawn every second"),
    "explain": Leaf(f"{_CLI}.explain:explain_command", "explain what a run is doing, why, and what you can do"),
    "doctor": Leaf(f"{_CLI}.doctor:doctor", "check the whole installation"),
    "open": Leaf(f"{_CLI}.open_command:open_command", "print a link that opens the pages once"),
    "completion": Leaf(f"{_CLI}.completion:completion", "print the completion script of a shell"),
    "version": Leaf(f"{_CLI}.version:version", "print the version"),
}
