"""The one table of commands: name, module, and one line. docs/reference/cli.md shows the same lines (a test compares them)."""

from typing import Final

from mainspring.cli.lazy_group import CommandEntry, CommandTree, GroupEntry

_RUNS: Final = {
    "list": CommandEntry("mainspring.cli.runs.run_list:list_command", "list runs, newest first"),
    "show": CommandEntry("mainspring.cli.runs.show:show", "show a run: its steps, every attempt, what happens next"),
    "watch": CommandEntry("mainspring.cli.runs.watch:watch", "follow a run until it ends or needs a person"),
    "logs": CommandEntry("mainspring.cli.runs.logs:logs", "print what a run logged and printed"),
    "diff": CommandEntry("mainspring.cli.runs.diff:diff", "compare a run with another one, or with the last good one"),
    "export": CommandEntry("mainspring.cli.runs.export:export", "print all that is known of a run, as JSON"),
    "retry": CommandEntry(
        "mainspring.cli.runs.recovery:retry", "continue failed runs, from where they failed or from a step"
    ),
    "cancel": CommandEntry("mainspring.cli.runs.operations:cancel", "ask runs to stop"),
    "signal": CommandEntry("mainspring.cli.runs.operations:signal", "send a message to a run"),
    "answer": CommandEntry("mainspring.cli.runs.operations:answer", "answer what a run asks"),
    "give-result": CommandEntry("mainspring.cli.runs.recovery:give_result", "give the result of a step by hand"),
}
_AUTO: Final = {
    "list": CommandEntry("mainspring.cli.automations.automation_list:list_command", "list automations"),
    "show": CommandEntry("mainspring.cli.automations.automation_list:show", "show an automation with all its options"),
    "pause": CommandEntry("mainspring.cli.automations.operations:pause", "start nothing of it for a while"),
    "resume": CommandEntry("mainspring.cli.automations.operations:resume", "take a pause or a retirement back"),
    "retire": CommandEntry(
        "mainspring.cli.automations.operations:retire", "declare it gone for good, so that nobody misses it"
    ),
    "next": CommandEntry(
        "mainspring.cli.automations.next_times:next_command", "show when it starts next, or would between two times"
    ),
    "backfill": CommandEntry(
        "mainspring.cli.automations.backfill:backfill_command", "make the runs of due times of the past"
    ),
    "graph": CommandEntry("mainspring.cli.automations.graph:graph", "show what starts what"),
    "paths": CommandEntry(
        "mainspring.cli.automations.paths:paths", "show which way its runs go, and which failures end them"
    ),
}
_FAILED: Final = {
    "list": CommandEntry(
        "mainspring.cli.bulk.failed:list_command",
        "list runs that failed or need a person, and that no one has decided on",
    ),
    "retry": CommandEntry("mainspring.cli.bulk.failed:retry", "continue all of them that a filter means"),
    "discard": CommandEntry("mainspring.cli.bulk.failed:discard", "decide that no one will continue them"),
}
_BULK: Final = {
    "list": CommandEntry("mainspring.cli.bulk.background_operations:list_command", "list acts on many, newest first"),
    "show": CommandEntry(
        "mainspring.cli.bulk.background_operations:show", "show an act on many: how far it is, what was refused"
    ),
    "pause": CommandEntry("mainspring.cli.bulk.background_operations:pause", "do nothing more of it for now"),
    "resume": CommandEntry("mainspring.cli.bulk.background_operations:resume", "go on with it"),
    "stop": CommandEntry("mainspring.cli.bulk.background_operations:stop", "end it: the rest is left as it is"),
}
_TRIGGERS: Final = {
    "list": CommandEntry(
        "mainspring.cli.triggers.trigger_list:list_command", "list triggers: what they listen to, and what arrived"
    ),
    "show": CommandEntry(
        "mainspring.cli.triggers.show:show", "show a trigger with what it holds, or a delivery as it came"
    ),
    "test": CommandEntry(
        "mainspring.cli.triggers.dry_run_command:test", "say what an event would do, without storing it"
    ),
    "replay": CommandEntry("mainspring.cli.triggers.trigger_list:replay", "let deliveries arrive once more"),
}
_QUEUES: Final = {
    "list": CommandEntry("mainspring.cli.fleet.queues:list_command", "list queues with their limits and load"),
    "show": CommandEntry("mainspring.cli.fleet.queues:show", "show a queue"),
    "pause": CommandEntry("mainspring.cli.fleet.queues:pause", "claim nothing from a queue"),
    "resume": CommandEntry("mainspring.cli.fleet.queues:resume", "go on with a queue"),
}
_WORKERS: Final = {
    "list": CommandEntry("mainspring.cli.fleet.workers:list_command", "list processes that use the store"),
    "drain": CommandEntry("mainspring.cli.fleet.workers:drain", "let a worker finish and take nothing new"),
    "quarantine": CommandEntry("mainspring.cli.fleet.workers:quarantine", "take everything away from a worker at once"),
}
_INCIDENTS: Final = {
    "list": CommandEntry("mainspring.cli.incidents.incident_list:list_command", "list what is wrong now"),
    "show": CommandEntry(
        "mainspring.cli.incidents.show:show", "show an incident: what, since when, what was done, who was told"
    ),
    "ack": CommandEntry("mainspring.cli.incidents.incident_list:ack", "say that you look after it"),
    "snooze": CommandEntry("mainspring.cli.incidents.incident_list:snooze", "say no more of it for a while"),
    "resolve": CommandEntry("mainspring.cli.incidents.incident_list:resolve", "say that it is over"),
}
_LOCKS: Final = {
    "list": CommandEntry("mainspring.cli.fleet.locks:list_command", "list locks that are held"),
    "break": CommandEntry("mainspring.cli.fleet.locks:break_command", "take a lock away from its holder"),
}
_NOTIFY: Final = {
    "test": CommandEntry(
        "mainspring.cli.incidents.channel_probe:test", "tell a channel, or each of them, that this is a test"
    ),
    "routes": CommandEntry(
        "mainspring.cli.incidents.notification_routes:routes",
        "show who would be told, and when, if something went wrong now",
    ),
    "log": CommandEntry(
        "mainspring.cli.incidents.notification_log:log", "list what was told to whom, and what waits to be told"
    ),
}
_MONITORS: Final = {
    "list": CommandEntry(
        "mainspring.cli.incidents.monitors:list_command", "list monitors: what each judges, and what it finds now"
    ),
    "show": CommandEntry(
        "mainspring.cli.incidents.monitors:show", "show a monitor: each figure, and how the verdict follows"
    ),
}
_AUDIT: Final = {
    "list": CommandEntry(
        "mainspring.cli.store.audit_log:list_command", "list acts of people and programs, newest first"
    ),
    "verify": CommandEntry("mainspring.cli.store.audit_log:verify", "check that nothing in the log was changed"),
}
_DB: Final = {
    "migrate": CommandEntry(
        "mainspring.cli.store.maintenance:migrate", "bring the store to this version's form, or create it"
    ),
    "check": CommandEntry("mainspring.cli.store.maintenance:check", "read the whole store and say what is wrong"),
    "backup": CommandEntry("mainspring.cli.store.backup:backup", "write a checked copy"),
    "restore": CommandEntry(
        "mainspring.cli.store.restore:restore", "put a backup in its place, decide its runs, release it"
    ),
    "shell": CommandEntry("mainspring.cli.store.maintenance:shell", "look into the store with SQL, read-only"),
    "prune": CommandEntry(
        "mainspring.cli.store.prune:prune", "delete what has outlived its retention and shrink the file"
    ),
    "move": CommandEntry("mainspring.cli.store.move:move", "move the store to another place, with its whole history"),
}
_DOCS: Final = {
    "list": CommandEntry(
        "mainspring.cli.docs.docs_command:list_command",
        "list the pages of the documentation, each with the question that it answers",
    ),
    "show": CommandEntry(
        "mainspring.cli.docs.docs_command:show", "print a page of the documentation, or one section of it"
    ),
}

COMMAND_TREE: Final[CommandTree] = {
    "init": CommandEntry("mainspring.cli.project.init:init", "make a project: configuration, an example, tests"),
    "add": GroupEntry(
        "add an automation to a project",
        {
            "script": CommandEntry("mainspring.cli.project.add:script", "add a script to scripts.toml"),
            "workflow": CommandEntry(
                "mainspring.cli.project.add:workflow", "write a file with a workflow to begin from"
            ),
        },
    ),
    "dev": CommandEntry("mainspring.cli.fleet.dev_command:dev", "run everything, and reload on changes"),
    "up": CommandEntry("mainspring.cli.fleet.up_command:up", "run workers, scheduler, watcher and web"),
    "down": CommandEntry("mainspring.cli.fleet.down_command:down", "stop what `up` started"),
    "drain": CommandEntry(
        "mainspring.cli.fleet.drain_command:drain", "let workers finish their runs and take no new ones"
    ),
    "exec": CommandEntry(
        "mainspring.cli.exec.exec_command:exec_command", "wrap any command: record, lock, retry, time out"
    ),
    "watch": CommandEntry(
        "mainspring.cli.exec.watch_command:watch_command",
        "check once what is late, and notify: the one extra crontab line",
    ),
    "run": CommandEntry("mainspring.cli.runs.run_command:run_command", "start a run and wait for its result"),
    "crash": CommandEntry(
        "mainspring.cli.fleet.crash_command:crash", "kill -9 the worker at a chosen commit, to see it resume"
    ),
    "runs": GroupEntry("runs: list, look into, continue, stop", _RUNS),
    "auto": GroupEntry("automations: list, look into, pause, retire", _AUTO),
    "failed": GroupEntry("runs that failed or need a person", _FAILED),
    "bulk": GroupEntry("background operations on many runs or deliveries", _BULK),
    "incidents": GroupEntry("incidents: list, show, acknowledge, snooze, resolve", _INCIDENTS),
    "monitors": GroupEntry("monitors: what is watched, and what was found", _MONITORS),
    "triggers": GroupEntry("triggers: what they listen to, and what arrived", _TRIGGERS),
    "queues": GroupEntry("queues: limits, load, pause", _QUEUES),
    "workers": GroupEntry("processes that use the store", _WORKERS),
    "locks": GroupEntry("locks that are held", _LOCKS),
    "notify": GroupEntry("notifications: channels, routes, what was sent", _NOTIFY),
    "audit-log": GroupEntry("who did what, when and why", _AUDIT),
    "db": GroupEntry("the store: schema, check, backup, retention", _DB),
    "logs": CommandEntry("mainspring.cli.runs.project_logs:logs_command", "print the log of all runs, newest last"),
    "status": CommandEntry(
        "mainspring.cli.status.status_command:status", "show the state of the project in one sentence"
    ),
    "top": CommandEntry("mainspring.cli.status.top_command:top", "show the state live, redrawn every second"),
    "explain": CommandEntry(
        "mainspring.cli.runs.explain:explain_command", "explain what a run is doing, why, and what you can do"
    ),
    "doctor": CommandEntry("mainspring.cli.doctor.doctor_command:doctor", "check the whole installation"),
    "open": CommandEntry("mainspring.cli.fleet.open_command:open_command", "print a link that opens the pages once"),
    "docs": GroupEntry("the documentation: list pages, read one", _DOCS),
    "completion": CommandEntry("mainspring.cli.completion:completion", "print the completion script of a shell"),
    "version": CommandEntry("mainspring.cli.version:version", "print the version"),
}
