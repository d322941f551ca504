"""What is materialized and how fresh: the store's own word, and Dagster's where it can be asked."""
