"""Edge: layer 2. Answers ARP and neighbor solicitations for the addresses that this node owns.

    wire, arp, ndp          bytes to meaning and back; what is answered, and how
    filter, ports, groups   the kernel lets through what can be ours; sockets of one interface
    netlink, links          which interfaces there are, and which of them are used
    bursts, limits          when to announce unasked; how much is answered
    heartbeat, members      who of the cluster is there
    election                who answers for which address, and how one takes over from another
    responder, process      all of it, in a small process of its own

Standard library only. Everything but `ports`, `groups`, `netlink`, `responder` and `process` is
pure: bytes, time and what was heard are arguments.
"""
