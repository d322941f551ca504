"""The Dagster layer: one file per asset, and partitions, resources, checks and automation beside them.

What belongs here: reading inputs, one call into a domain package, writing what comes back, and reporting it. What does
not: any rule about annotators, shards, scores or worklists.

An asset imports the libraries of its own work when it runs: definitions load in a third of the time, and a run that has
nothing to do does not wait for HTTP, pandas, pictures or torch.
"""
