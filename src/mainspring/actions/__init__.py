"""Actions: ready-made effects that are safe to run twice, one module for each family.

Import a module and call its functions in a step, pass them to `run.step`, or call them in a script or a test:

    from mainspring.actions import files

    files.write("report.csv", text)
"""
