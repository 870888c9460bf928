"""A list of edits: read, its results kept so that a later run goes on, and shown on a page."""
