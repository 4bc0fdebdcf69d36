"""Why an execution comes to an end, and which reason wins."""

from dataclasses import dataclass

from rowmill.core.commit import Claim
from rowmill.core.job import JobError
from rowmill.core.status import Action, PauseReason
from rowmill.engine.runtime import Runtime
from rowmill.ledger.ledger import Ledger

_RANK = {Action.COMPLETE: 0, Action.RELEASE: 1, Action.PAUSE: 2, Action.FAIL: 3, Action.CANCEL: 4}


@dataclass(frozen=True, slots=True)
class Stop:
    """``reason`` is why the engine itself pauses; a pause without one takes that of the request."""

    action: Action
    reason: PauseReason | None = None
    error: JobError | None = None
    tolerate: str | None = None

    @property
    def requested(self) -> bool:
        return self.action in (Action.PAUSE, Action.CANCEL) and self.reason is None


class Stopper:
    """Holds the strongest reason to stop. What the user requests can be taken back, anything else cannot."""

    def __init__(self) -> None:
        self._requested: Stop | None = None
        self._demand: Stop | None = None

    @property
    def stop(self) -> Stop | None:
        stops = [stop for stop in (self._requested, self._demand) if stop]
        return max(stops, key=lambda stop: _RANK[stop.action]) if stops else None

    def request(self, action: Action | None) -> None:
        """What the user wants at present."""
        self._requested = Stop(action) if action else None

    def demand(self, stop: Stop) -> None:
        """What the engine itself has met; the first of equals counts."""
        if self._demand is None or _RANK[stop.action] > _RANK[self._demand.action]:
            self._demand = stop


def endings(stop: Stop) -> list[Stop]:
    """How the job may end, best first; the ledger takes the first that is true of it. Where the last row settled while
    a pause was obeyed, or the job was to be released, nothing is left to go on with."""
    return [Stop(Action.COMPLETE), stop] if stop.action in (Action.PAUSE, Action.RELEASE) else [stop]


async def finish(ledger: Ledger, claim: Claim, stop: Stop, runtime: Runtime) -> bool:
    """Ends the execution by ``stop``; ``False`` where that is not, or no longer, true of the job."""
    return await runtime.save(
        lambda: ledger.finish(
            claim, stop.action, runtime.now(), reason=stop.reason, error=stop.error, tolerate=stop.tolerate
        )
    )
