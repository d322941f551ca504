"""The split in memory: a table of the backlog that every threshold, filter and order is answered from."""
