"""Who may ask for what: people and their sessions, proxies that vouch for people, and requests of other pages."""
