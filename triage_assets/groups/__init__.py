"""Sequence groups: which sequences show the same thing, and what one decision about it means for all of them."""
