"""Devices that are logged into: real sshd, sudo, FRR and redis, each in a root of its own."""
