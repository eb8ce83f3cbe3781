"""The command line: one module a command, `parser.py` says what they take."""
