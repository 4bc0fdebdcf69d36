"""Every error that Rowmill raises on purpose.

::

    RowmillError
    ├── UsageError            a wrong option, command or combination                       exit 2
    │   ├── InputError        the input cannot be read as it stands                        exit 2
    │   ├── NotFound          no such job, dataset, processor or provider                  exit 2
    │   ├── IllegalTransition the job's status does not allow this                         exit 2 (409)
    │   ├── Busy              another process has it                                       exit 2 (409)
    │   ├── Conflict          it does not go with what is there already                    exit 2 (409)
    │   └── Outdated          it was changed since it was looked at                        exit 2 (412)
    ├── NothingToDo           no record is new or has changed: no error to a nightly run   exit 0
    ├── StoreError            the database refused: disk full, damaged, too new            exit 3
    │   └── DiskFull          an upload does not fit on the disk                           exit 3 (507)
    └── ClaimLost             this engine was presumed dead and has lost its claim         exit 3

Foreign exceptions are turned into these at the edge where they arise: the store's at its transactions, a format's in
its reader. What a processor or provider meets is no exception but an outcome (``rowmill.core.outcome``).
"""

from typing import Self

from rowmill.core.messages import Message, Remedies


class RowmillError(Exception):
    """``message`` is one sentence saying what happened and where; ``hint`` is what to do about it.

    Where the advice differs between interfaces, ``said`` is a ``Message`` with its ``parameters``, and whoever shows
    the error calls ``advise`` first. A ``hint`` that is given takes the place of that advice.
    """

    code = "internal"
    exit_code = 1

    def __init__(self, said: str | Message, hint: str = "", **parameters: str | int) -> None:
        self.reason = said if isinstance(said, Message) else None
        self.parameters = parameters
        self.message = said.text(parameters) if isinstance(said, Message) else said
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def advise(self, remedies: Remedies) -> Self:
        """Sets ``hint`` to an interface's own advice, where there is none yet."""
        if self.reason and not self.hint:
            self.hint = remedies[self.reason].format_map(self.parameters)
        return self


class UsageError(RowmillError):
    code = "usage"
    exit_code = 2


class InputError(UsageError):
    code = "input"


class NotFound(UsageError):
    code = "not_found"


class IllegalTransition(UsageError):
    code = "illegal_transition"

    def __init__(self, action: str, status: str, allowed: list[str]) -> None:
        wanted = " or ".join(allowed)
        hint = "Pause or cancel it first." if (action, status) == ("delete", "running") else f"It must be {wanted}."
        super().__init__(f"A {status} job cannot {_INFINITIVES.get(action, f'be said to {action}')}.", hint)


class Busy(UsageError):
    code = "busy"


class Conflict(UsageError):
    code = "conflict"


class Outdated(UsageError):
    code = "precondition_failed"


class NothingToDo(RowmillError):
    code = "nothing_to_do"
    exit_code = 0


class StoreError(RowmillError):
    code = "store"
    exit_code = 3


class DiskFull(StoreError):
    code = "disk_full"


class ClaimLost(RowmillError):
    code = "claim_lost"
    exit_code = 3


_INFINITIVES = {
    "pause": "be paused",
    "resume": "be resumed",
    "retry": "be retried",
    "cancel": "be cancelled",
    "dismiss": "be dismissed",
    "delete": "be deleted",
    "claim": "be claimed",
    "change": "be changed",
}
