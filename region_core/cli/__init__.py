"""The command line: demo, edit and batch."""
