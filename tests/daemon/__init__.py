"""Real FRR daemons in network namespaces, to ask what a configuration really does."""
