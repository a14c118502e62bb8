"""A process that takes part in an election, and says at each moment that it leads.

    python -m daemon.candidate KUBECONFIG NAMESPACE CLUSTER LEASE_S RENEW_S RETRY_S

One line each 10 ms of a lead: the time of CLOCK_MONOTONIC just before it was asked for, which all
processes of a machine share. SIGTERM lets the Lease go.
"""

import signal
import sys
import threading
import time

from ferrule.observe.cluster_api import connect
from ferrule.reconcile.candidate import Timing
from ferrule.reconcile.lease import Election


def main(kubeconfig: str, namespace: str, cluster: str, *times: str) -> None:
    lease_s, renew_s, retry_s = map(float, times)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    timing = Timing(int(lease_s), renew_s, retry_s)
    with Election(connect(kubeconfig), namespace, cluster, timing=timing) as election:
        sys.stdout.write(f"{election.name}\n")
        while not stopping.is_set():
            now = time.monotonic()
            lead = election.lead
            if lead and lead.valid():
                sys.stdout.write(f"{now} {lead.term} {int(lead.contested)}\n")
            sys.stdout.flush()
            stopping.wait(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
