"""Stand-ins for SONiC's own tools, which cannot be installed here.

Each keeps CONFIG_DB in the switch's real redis and answers as the real ones were seen to; none has
a line of theirs. What they were compared with, and how far they agree, is in CALIBRATION.md.
"""

NAME = "a stand-in for tests, not SONiC's"
