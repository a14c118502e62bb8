"""In the cluster: what runs on there, chained out of what the other packages do once.

feeds, kept      what is watched, and the little that is kept of each object
intent           the spec in force, read of it
lease, candidate who leads
replica          a lead: controller (addresses; shown: by whom), switchboard and switches, reports
agent            a node: local (its slice), announcing (gate, room, by switch_heard; FRR's
                 speaker), told, saying
answering        its layer 2: layer2 (the announcer is told: contested, roll, membership), answered
statuses, publish, events    what is written back, each by its backlog
metrics, serving, logs       what is said to whoever asks
"""
