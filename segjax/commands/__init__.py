"""The commands of `segjax`, a file each.

A command has `add_arguments(parser)` and `run(args) -> int`, the exit code. What takes
long to import is imported inside `run`, so that `--help` answers at once.
"""
