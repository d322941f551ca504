"""One module per kind of thing that the API is about; each turns requests into one call of a domain package."""
