"""Copying between stores: what one has and the other lacks, proven on the way, visible only once it is whole."""
