"""The web side: an API over the store and the review database for people's browsers."""
