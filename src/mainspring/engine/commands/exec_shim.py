"""The exec shim: a short program that a new process runs before it becomes the command; it prints to stderr why that fails."""

from mainspring.engine.commands.command import NOT_EXECUTABLE, NOT_FOUND

# PR_SET_PDEATHSIG, wait for the go byte, then become the command. Python ignores two signals that commands rely on, and without
# a locale it sets one that the command should not get.
EXEC_SHIM = f"""
import ctypes, errno, os, signal, sys
parent, locale, word, words = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
if locale == "none":
    os.environ.pop("LC_CTYPE", None)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
if not os.read(word, 1):
    os._exit(1)
os.close(word)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
try:
    os.execvp(words[0], words)
except OSError as error:
    code = {NOT_FOUND} if isinstance(error, FileNotFoundError) else {NOT_EXECUTABLE}
    why = error.strerror
    if error.errno == errno.ENOEXEC:
        why = "it has no first line that names its program; add one, such as #!/bin/sh, or write the program before it: sh FILE"
    elif isinstance(error, PermissionError) and os.path.isfile(words[0]) and not os.access(words[0], os.X_OK):
        why = "it may not be executed; run: chmod +x FILE, or write the program before it: sh FILE"
    first = b""
    if isinstance(error, FileNotFoundError) and os.path.isfile(words[0]) and os.access(words[0], os.R_OK):
        with open(words[0], "rb") as file:
            first = file.readline(200).rstrip(b"\\n")
    if first.startswith(b"#!"):  # the file is there: what is not there is the program that it asks for
        asks = first[2:].decode("utf-8", "backslashreplace").strip()
        why = f"there is no {{asks!r}}, which its first line asks for"
        if first.endswith(b"\\r"):
            why = "its first line ends in CR, as on Windows; write it with Unix line ends: sed -i 's/\\\\r$//' FILE"
    os.write(2, f"mainspring: cannot run {{words[0]!r}}: {{why}}\\n".encode("utf-8", "surrogateescape"))
    os._exit(code)
"""
