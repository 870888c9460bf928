"""The command line: demo, edit, batch and verify."""
