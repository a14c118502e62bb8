"""Edge: layer 2. Answers ARP and neighbor solicitations for the addresses that this node owns.

    wire, arp, ndp              bytes to meaning and back; what is answered, and how
    filter, cover               the kernel lets through what can be ours, and little else
    ports, groups               sockets of one interface
    netlink, links              which interfaces there are, and which of them are used
    offers                      what can be announced by them, as other nodes have to know it
    bursts, limits, conflicts   when to announce unasked; how much is answered, and defended
    heartbeat, datagrams        what nodes tell each other, and the socket it comes by
    peers, rounds, members      who of the cluster is there, and whom a node tells how it is
    election, doubts            who answers for which address, how one takes over from another, and
                                who seems to think otherwise
    responder                   all ports of a node
    preconditions               what stands in the way, as findings
    announcer                   all of it, put together
    control, outbox, report     what the agent says, and what is said to it
    process                     a small process of its own; child: as the agent sees it

Standard library only. What opens a socket or a file says so: `ports`, `groups`, `netlink`,
`datagrams`, `outbox`, `process`, `child`, and a reader of sysctls. Elsewhere bytes, time and what
was heard are arguments.
"""
