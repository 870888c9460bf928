"""The command line: demo, find, edit and batch. Here its exit codes, beside 0 for all well."""

FAILED = 1  # one edit of a list or more
BAD_INPUT = 2
STOPPED = 130  # what shells say of Ctrl-C
