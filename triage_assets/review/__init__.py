"""The review database: what people decided about sequences and groups, and which sequence is in which group."""
