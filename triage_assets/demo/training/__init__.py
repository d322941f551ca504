"""Training of the demo's model on rendered scenes, from seeds to a package with its card."""
