"""The registry of automations of one process.

    with Registry() as registry: ...
    Registry.load(targets, base_dir) -> Registry    .automations: dict[str, Automation]   .problems: list[Problem]
    registry.get(name) -> Automation (UnknownNameError)
    Automation: .definition .fn .retry ; Problem(where, what, how)
"""
