"""What each command does; `cli` says how it is called. Only these chain the other edges."""
