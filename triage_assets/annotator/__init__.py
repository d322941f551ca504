"""The annotator, read-only: its HTTP API, what it answers as records, and the pull of a backlog."""
