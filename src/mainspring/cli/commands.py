"""The one table of commands: name, module, and one line. docs/reference/cli.md shows the same lines (a test compares them)."""

from typing import Final

from mainspring.cli.lazy_group import CommandEntry, CommandTree, GroupEntry

_RUNS: Final = {
    "list": CommandEntry("mainspring.cli.runs.run_list:list_command", "list runs, newest first"),
    "show": CommandEntry("mainspring.cli.runs.show:show", "show a run: its steps, each attempt, what happens next"),
    "watch": CommandEntry("mainspring.cli.runs.watch:watch", "follow a run until it ends or needs a person"),
    "logs": CommandEntry("mainspring.cli.runs.logs:logs", "print what a run logged and printed"),
    "stream": CommandEntry("mainspring.cli.runs.stream:stream", "print the records that a run wrote to a stream"),
    "files": CommandEntry("mainspring.cli.runs.files:files", "show the files of a run, or save one of them"),
    "diff": CommandEntry("mainspring.cli.runs.diff:diff", "compare a run with another run, or with the last success"),
    "export": CommandEntry("mainspring.cli.runs.export:export", "print everything that is stored about a run, as JSON"),
    "retry": CommandEntry(
        "mainspring.cli.runs.recovery:retry", "continue failed runs, from the failed step or a chosen one"
    ),
    "cancel": CommandEntry("mainspring.cli.runs.operations:cancel", "cancel runs"),
    "pause": CommandEntry(
        "mainspring.cli.runs.pause:pause", "pause runs: attempts under way finish, nothing else starts"
    ),
    "resume": CommandEntry("mainspring.cli.runs.pause:resume", "resume paused runs"),
    "fork": CommandEntry("mainspring.cli.runs.fork:fork", "start a new run from a step of a finished one"),
    "signal": CommandEntry("mainspring.cli.runs.operations:signal", "send a signal to a run"),
    "query": CommandEntry("mainspring.cli.runs.query:query", "ask a run about its state and print the answer"),
    "update": CommandEntry("mainspring.cli.runs.update:update", "send a request to a run and print its reply"),
    "questions": CommandEntry(
        "mainspring.cli.runs.questions:list_questions",
        "list the open questions of runs, each with the command that answers it",
    ),
    "answer": CommandEntry("mainspring.cli.runs.operations:answer", "answer the question of a run"),
    "give-result": CommandEntry("mainspring.cli.runs.recovery:give_result", "set the result of a step by hand"),
}
_AUTO: Final = {
    "list": CommandEntry("mainspring.cli.automations.automation_list:list_command", "list automations"),
    "show": CommandEntry("mainspring.cli.automations.automation_list:show", "show an automation with all its options"),
    "pause": CommandEntry("mainspring.cli.automations.operations:pause", "pause an automation: it starts no runs"),
    "resume": CommandEntry(
        "mainspring.cli.automations.operations:resume", "resume an automation that is paused or retired"
    ),
    "retire": CommandEntry(
        "mainspring.cli.automations.operations:retire", "retire an automation: end its schedules and monitoring"
    ),
    "next": CommandEntry(
        "mainspring.cli.automations.next_times:next_command", "show the next due times, or those between two times"
    ),
    "backfill": CommandEntry(
        "mainspring.cli.automations.backfill:backfill_command", "start the runs of past due times"
    ),
    "graph": CommandEntry("mainspring.cli.automations.graph:graph", "show which automations start which"),
    "paths": CommandEntry(
        "mainspring.cli.automations.paths:paths", "show the paths that runs took, and failures that ended them"
    ),
}
_FAILED: Final = {
    "list": CommandEntry(
        "mainspring.cli.bulk.failed:list_command",
        "list failed and stopped runs that need a decision",
    ),
    "retry": CommandEntry("mainspring.cli.bulk.failed:retry", "continue all runs that match a filter"),
    "discard": CommandEntry(
        "mainspring.cli.bulk.failed:discard", "discard runs: decide that no one will continue them"
    ),
}
_BULK: Final = {
    "list": CommandEntry(
        "mainspring.cli.bulk.background_operations:list_command", "list bulk operations, newest first"
    ),
    "show": CommandEntry(
        "mainspring.cli.bulk.background_operations:show", "show a bulk operation: its progress and what was refused"
    ),
    "pause": CommandEntry("mainspring.cli.bulk.background_operations:pause", "pause a bulk operation"),
    "resume": CommandEntry("mainspring.cli.bulk.background_operations:resume", "resume a bulk operation"),
    "stop": CommandEntry("mainspring.cli.bulk.background_operations:stop", "stop a bulk operation for good"),
}
_TRIGGERS: Final = {
    "list": CommandEntry(
        "mainspring.cli.triggers.trigger_list:list_command", "list triggers: their sources, and what arrived"
    ),
    "show": CommandEntry("mainspring.cli.triggers.show:show", "show a trigger with its deliveries, or one delivery"),
    "test": CommandEntry(
        "mainspring.cli.triggers.dry_run_command:test", "show what an event would do, without storing it"
    ),
    "replay": CommandEntry("mainspring.cli.triggers.trigger_list:replay", "replay deliveries"),
}
_QUEUES: Final = {
    "list": CommandEntry("mainspring.cli.fleet.queues:list_command", "list queues with their limits and load"),
    "show": CommandEntry("mainspring.cli.fleet.queues:show", "show a queue, and the runs that use its slots"),
    "pause": CommandEntry("mainspring.cli.fleet.queues:pause", "pause a queue: workers claim no runs from it"),
    "resume": CommandEntry("mainspring.cli.fleet.queues:resume", "resume a queue"),
}
_WORKERS: Final = {
    "list": CommandEntry("mainspring.cli.fleet.workers:list_command", "list processes that use the store"),
    "drain": CommandEntry(
        "mainspring.cli.fleet.workers:drain", "let a worker finish running steps and claim no more runs"
    ),
    "quarantine": CommandEntry("mainspring.cli.fleet.workers:quarantine", "end a worker at once and free its runs"),
}
_INCIDENTS: Final = {
    "list": CommandEntry("mainspring.cli.incidents.incident_list:list_command", "list open incidents"),
    "show": CommandEntry("mainspring.cli.incidents.show:show", "show an incident: cause, history, notifications"),
    "ack": CommandEntry("mainspring.cli.incidents.incident_list:ack", "acknowledge an incident"),
    "snooze": CommandEntry("mainspring.cli.incidents.incident_list:snooze", "snooze an incident"),
    "resolve": CommandEntry("mainspring.cli.incidents.incident_list:resolve", "resolve an incident"),
}
_LOCKS: Final = {
    "list": CommandEntry("mainspring.cli.fleet.locks:list_command", "list who holds locks and who waits for them"),
    "break": CommandEntry("mainspring.cli.fleet.locks:break_command", "take a lock away from its holder"),
}
_TARGETS: Final = {
    "list": CommandEntry(
        "mainspring.cli.fleet.targets:list_command",
        "list hosts with limits: what is left of the rate, state of the breaker",
    ),
    "reset": CommandEntry(
        "mainspring.cli.fleet.targets:reset",
        "close the breaker of a host, and forget the requests that its rate counts",
    ),
}
_FLAGS: Final = {
    "list": CommandEntry(
        "mainspring.cli.flags.flag_list:list_command",
        "list flags: rules, owners, expiry dates, and questions of the last 7 days",
    ),
    "show": CommandEntry(
        "mainspring.cli.flags.flag_show:show",
        "show a flag: values, rules, answers of the last 7 days, runs that hold it on",
    ),
    "set": CommandEntry(
        "mainspring.cli.flags.operations:set_command", "create a flag, or change the stated fields of one"
    ),
    "kill": CommandEntry(
        "mainspring.cli.flags.operations:kill", "give all keys the side off at once, and list the runs that hold on"
    ),
    "history": CommandEntry(
        "mainspring.cli.flags.flag_list:history",
        "list the changes of a flag: who, when, what and why, newest first",
    ),
    "delete": CommandEntry("mainspring.cli.flags.operations:delete", "delete a flag: code gets its own default"),
}
_SCHEDULES: Final = {
    "list": CommandEntry(
        "mainspring.cli.schedules.schedule_list:list_command", "list schedules: those in code and those created here"
    ),
    "show": CommandEntry("mainspring.cli.schedules.schedule_list:show", "show a schedule and its last changes"),
    "history": CommandEntry(
        "mainspring.cli.schedules.schedule_list:history",
        "list the changes of a schedule: who, when, what and why, newest first",
    ),
    "create": CommandEntry(
        "mainspring.cli.schedules.operations:create", "create a schedule that starts runs of an automation"
    ),
    "change": CommandEntry("mainspring.cli.schedules.operations:change", "change the stated options of a schedule"),
    "pause": CommandEntry("mainspring.cli.schedules.operations:pause", "pause a schedule: it starts no runs"),
    "resume": CommandEntry("mainspring.cli.schedules.operations:resume", "resume a paused schedule"),
    "delete": CommandEntry("mainspring.cli.schedules.operations:delete", "delete a schedule; its history stays"),
}
_ROLLOUT = {
    "start": CommandEntry(
        "mainspring.cli.rollouts.operations:start",
        "divide the new runs of an automation between its version in force and another one",
    ),
    "status": CommandEntry(
        "mainspring.cli.rollouts.status:status", "list rollouts, or show the last one of an automation"
    ),
    "pause": CommandEntry("mainspring.cli.rollouts.operations:pause", "hold a rollout at its step: the share stays"),
    "resume": CommandEntry(
        "mainspring.cli.rollouts.operations:resume", "continue a paused rollout; the time of its step begins again"
    ),
    "abort": CommandEntry(
        "mainspring.cli.rollouts.operations:abort", "end a rollout: all new runs get the old version at once"
    ),
    "finish": CommandEntry("mainspring.cli.rollouts.operations:finish", "end a rollout: the new version is in force"),
}
_EFFECTS: Final = {
    "list": CommandEntry(
        "mainspring.cli.effects.effect_list:list_command", "list effects, those that changed last first"
    ),
    "show": CommandEntry("mainspring.cli.effects.effect_show:show", "show an effect: its outcome, holder and calls"),
    "forget": CommandEntry(
        "mainspring.cli.effects.decisions:forget", "delete the record of an effect, so that the next call performs it"
    ),
    "confirm": CommandEntry("mainspring.cli.effects.decisions:confirm", "record that an effect in doubt happened"),
    "reconcile": CommandEntry(
        "mainspring.cli.effects.reconcile:reconcile", "ask the targets about effects, by check= of their actions"
    ),
}
_SECRETS: Final = {
    "init": CommandEntry("mainspring.cli.secrets.changes:init", "create the encrypted file of the project and its key"),
    "set": CommandEntry("mainspring.cli.secrets.changes:set_command", "store a secret, read from a prompt or stdin"),
    "list": CommandEntry(
        "mainspring.cli.secrets.secret_list:list_command", "list secrets: provider, version, last use; never a value"
    ),
    "get": CommandEntry(
        "mainspring.cli.secrets.secret_checks:get", "show where a secret comes from; with --reveal its value"
    ),
    "rotate": CommandEntry(
        "mainspring.cli.secrets.changes:rotate", "replace a secret; the old version counts for a grace time"
    ),
    "remove": CommandEntry("mainspring.cli.secrets.changes:remove", "delete a secret and all its versions"),
    "check": CommandEntry(
        "mainspring.cli.secrets.secret_checks:check", "check that all secrets that are needed can be read"
    ),
    "log": CommandEntry("mainspring.cli.secrets.secret_list:log", "list the uses of secrets by hour, newest first"),
}
_TOKENS: Final = {
    "create": CommandEntry(
        "mainspring.cli.tokens.token_commands:create", "create a token for a program, and print it once"
    ),
    "list": CommandEntry(
        "mainspring.cli.tokens.token_commands:list_command", "list the tokens of programs; never a token itself"
    ),
    "revoke": CommandEntry("mainspring.cli.tokens.token_commands:revoke", "revoke a token, from the next request on"),
}
_NOTIFY: Final = {
    "test": CommandEntry(
        "mainspring.cli.incidents.channel_probe:test", "send a test message to one channel, or to all"
    ),
    "routes": CommandEntry(
        "mainspring.cli.incidents.notification_routes:routes",
        "show who would be notified of a problem, and when",
    ),
    "log": CommandEntry(
        "mainspring.cli.incidents.notification_log:log", "list notifications: sent, waiting and refused"
    ),
}
_MONITORS: Final = {
    "list": CommandEntry(
        "mainspring.cli.incidents.monitors:list_command", "list monitors: what each evaluates, and what it finds now"
    ),
    "show": CommandEntry("mainspring.cli.incidents.monitors:show", "show a monitor: each value, and the verdict"),
}
_AUDIT: Final = {
    "list": CommandEntry(
        "mainspring.cli.store.audit_log:list_command", "list operations of people and programs, newest first"
    ),
    "verify": CommandEntry("mainspring.cli.store.audit_log:verify", "check that no row of the audit log was changed"),
}
_DB: Final = {
    "migrate": CommandEntry(
        "mainspring.cli.store.maintenance:migrate", "update the schema of the store to this version, or create it"
    ),
    "check": CommandEntry("mainspring.cli.store.maintenance:check", "check the whole store for damage"),
    "backup": CommandEntry("mainspring.cli.store.backup:backup", "write a checked copy of the store"),
    "restore": CommandEntry(
        "mainspring.cli.store.restore:restore", "restore a backup, decide on its runs, release the store"
    ),
    "shell": CommandEntry("mainspring.cli.store.maintenance:shell", "open an SQL shell on the store, read-only"),
    "prune": CommandEntry("mainspring.cli.store.prune:prune", "delete data past its retention, and shrink the file"),
    "move": CommandEntry("mainspring.cli.store.move:move", "move the store to another place, with its whole history"),
    "move-blobs": CommandEntry(
        "mainspring.cli.store.move_blobs:move_blobs", "move the large values of the store to a bucket of S3, or back"
    ),
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
_ACTIONS: Final = {
    "list": CommandEntry(
        "mainspring.cli.actions.actions_command:list_command",
        "list the ready-made actions: files, commands, SQL and others",
    ),
    "show": CommandEntry(
        "mainspring.cli.actions.actions_command:show",
        "show an action: its arguments, why it is safe to run twice, an example",
    ),
}
_DEPLOY: Final = {
    "check": CommandEntry(
        "mainspring.cli.deploy.check_command:check",
        "show what new code would change: drift, definitions, removed automations, flags",
    ),
}
_TEST: Final = {
    "crash": CommandEntry(
        "mainspring.cli.test.crash_test_command:crash_test", "kill a run at each crash point, and compare the ends"
    ),
    "replay": CommandEntry(
        "mainspring.cli.test.replay_command:replay",
        "replay saved journals against the code of today, and list what differs",
    ),
}

COMMAND_TREE: Final[CommandTree] = {
    "init": CommandEntry("mainspring.cli.project.init:init", "create a project: configuration, an example, tests"),
    "add": GroupEntry(
        "add an automation to a project",
        {
            "script": CommandEntry("mainspring.cli.project.add:script", "add a script to scripts.toml"),
            "workflow": CommandEntry("mainspring.cli.project.add:workflow", "write a file with an example workflow"),
        },
    ),
    "dev": CommandEntry("mainspring.cli.fleet.dev_command:dev", "run everything, and reload when the code changes"),
    "up": CommandEntry("mainspring.cli.fleet.up_command:up", "run workers, scheduler, watcher and web"),
    "deploy": GroupEntry("check new code against the stored runs before it is deployed", _DEPLOY),
    "test": GroupEntry("test the code of the project: crash points, saved runs", _TEST),
    "down": CommandEntry("mainspring.cli.fleet.down_command:down", "stop what `up` started"),
    "drain": CommandEntry(
        "mainspring.cli.fleet.drain_command:drain", "let workers finish running steps and claim no more runs"
    ),
    "exec": CommandEntry(
        "mainspring.cli.exec.exec_command:exec_command", "run any command with a record, lock, retries and timeout"
    ),
    "once": CommandEntry(
        "mainspring.cli.exec.once_command:once_command", "run a command once for its key, across all that use the store"
    ),
    "flag": CommandEntry(
        "mainspring.cli.exec.flag_command:flag_command", "ask for the value of a flag: exit code 0 = on, 1 = off"
    ),
    "watch": CommandEntry(
        "mainspring.cli.exec.watch_command:watch_command",
        "check all monitors once and send notifications: for a crontab without `up`",
    ),
    "run": CommandEntry("mainspring.cli.runs.run_command:run_command", "start a run and wait for its result"),
    "crash": CommandEntry(
        "mainspring.cli.fleet.crash_command:crash", "kill -9 a worker after a chosen step, to see it resume"
    ),
    "runs": GroupEntry("list, show, continue, fork, pause and cancel runs", _RUNS),
    "auto": GroupEntry("list, show, pause and retire automations", _AUTO),
    "failed": GroupEntry("list, continue and discard runs that failed or need a person", _FAILED),
    "bulk": GroupEntry("list, pause, resume and stop operations on many runs", _BULK),
    "incidents": GroupEntry("list, acknowledge, snooze and resolve incidents", _INCIDENTS),
    "monitors": GroupEntry("list monitors, and what they find now", _MONITORS),
    "schedules": GroupEntry("list, create, change, pause and delete schedules", _SCHEDULES),
    "triggers": GroupEntry("list, test and replay triggers", _TRIGGERS),
    "queues": GroupEntry("list, pause and resume queues", _QUEUES),
    "workers": GroupEntry("list, drain and quarantine processes", _WORKERS),
    "locks": GroupEntry("list and break locks", _LOCKS),
    "targets": GroupEntry("list and reset the limits of hosts that HTTP actions call", _TARGETS),
    "flags": GroupEntry("list, change, kill and delete flags", _FLAGS),
    "rollout": GroupEntry("bring a new version into force, step by step", _ROLLOUT),
    "effects": GroupEntry("list effects of `once`, and decide on those in doubt", _EFFECTS),
    "secrets": GroupEntry("store, list, rotate and check secrets", _SECRETS),
    "tokens": GroupEntry("create, list and revoke API tokens of programs", _TOKENS),
    "notify": GroupEntry("test channels, list routes and notifications", _NOTIFY),
    "audit-log": GroupEntry("list and verify who did what, when and why", _AUDIT),
    "db": GroupEntry("migrate, check, back up, restore, prune and move the store", _DB),
    "logs": CommandEntry("mainspring.cli.runs.project_logs:logs_command", "print the logs of all runs, newest last"),
    "status": CommandEntry(
        "mainspring.cli.status.status_command:status", "show the status of the project in one sentence"
    ),
    "top": CommandEntry("mainspring.cli.status.top_command:top", "show the status live, updated every second"),
    "explain": CommandEntry(
        "mainspring.cli.runs.explain:explain_command", "explain what a run does, why, and what you can do"
    ),
    "doctor": CommandEntry("mainspring.cli.doctor.doctor_command:doctor", "check the whole installation"),
    "open": CommandEntry(
        "mainspring.cli.fleet.open_command:open_command", "print a one-time link that opens the dashboard"
    ),
    "actions": GroupEntry("the ready-made actions: list them, show one", _ACTIONS),
    "docs": GroupEntry("the documentation: list pages, read one", _DOCS),
    "completion": CommandEntry("mainspring.cli.completion:completion", "print the completion script of a shell"),
    "version": CommandEntry("mainspring.cli.version:version", "print the version"),
}
