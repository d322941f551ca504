"""The temporal smoke model: reading its package, scoring sequences with it, and keeping the predictions."""
