"""Turns a wildfire-camera annotation backlog into worklists, as a Dagster asset graph.

The folders are the data flow: `annotator` pulls, `shards` packs, `scoring` scores, `worklists` splits; `defs` composes
them as assets, and `demo` stands in for the annotator and its cameras.
"""
