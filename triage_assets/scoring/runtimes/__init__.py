"""What the network can run on; each runtime is a module that is imported only when it is used."""
