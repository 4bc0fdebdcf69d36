"""A worker as a process of its own. SIGTERM releases it, a second one at once. GRACE is its grace in seconds."""

import os
import signal

import uvloop

from rowmill.ledger.opening import open_store
from rowmill.worker.logs import configure
from rowmill.worker.worker import Worker


def main() -> None:
    configure("text", "info")
    store = open_store()
    worker = Worker(store, grace=float(os.environ.get("GRACE", "10")))
    asked = 0

    def release(*_: object) -> None:
        nonlocal asked
        asked += 1
        worker.release(at_once=asked > 1)

    signal.signal(signal.SIGTERM, release)
    ended_well = uvloop.new_event_loop().run_until_complete(worker.run())
    store.close()
    os._exit(0 if ended_well else 5)


main()
