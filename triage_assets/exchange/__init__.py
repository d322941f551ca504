"""Folders of loose files: what others have, taken into a store, and what a store has, written out for others."""
