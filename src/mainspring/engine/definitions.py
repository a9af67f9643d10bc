"""Decorators that turn functions and commands into automations.

    script(name, command, **options) -> Automation
    task(fn=None, **options)         -> Task[P, R]      (plainly callable)
    workflow(fn=None, **options)     -> Workflow[P, R]  (P without the run)
    step(fn=None, **options)         -> Step[P, R]      (.fn .options .retry .undo .name)
"""
