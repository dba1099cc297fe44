"""What `make run` is made of: child processes, the home directory, the list of children, the supervisor."""
