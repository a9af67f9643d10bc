"""The command line: one noun a file. stdout is data only; progress, hints and errors go to stderr.

commands    the one table of commands            lazy      a group that imports a command when it is called
flags       what may stand behind any command    context   one call of the program: settings, store, actor
exits       errors to exit codes, one table      output    lists, documents, sentences; JSON or text
"""
