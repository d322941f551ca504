"""Frames in append-only tar shards: the format, writing and reading it, the catalog, and its verification."""
