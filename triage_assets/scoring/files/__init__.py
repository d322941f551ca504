"""The files of a model's predictions: their form, their merging, and what is said of them as a whole."""
