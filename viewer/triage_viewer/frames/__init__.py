"""Frames, pictures of them, and what is known of a sequence, out of the store as it lies."""
