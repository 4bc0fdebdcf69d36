from itertools import product

import pytest

from rowmill.core.errors import IllegalTransition
from rowmill.core.status import TRANSITIONS, Action, JobStatus, sources, target

ENDS = {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


@pytest.mark.parametrize(("status", "action"), list(product(JobStatus, Action)))
def test_a_move_is_in_the_table_or_refused_with_what_would_allow_it(status: JobStatus, action: Action) -> None:
    if (status, action) in TRANSITIONS:
        assert target(status, action) == TRANSITIONS[status, action]
        assert status in sources(action)
        return
    with pytest.raises(IllegalTransition) as caught:
        target(status, action)
    assert status not in sources(action)
    assert str(caught.value).startswith(f"A {status} job cannot be ")
    if (status, action) == (JobStatus.RUNNING, Action.DELETE):
        assert caught.value.hint == "Pause or cancel it first."
    else:
        assert caught.value.hint == f"It must be {' or '.join(sources(action))}."


def test_only_a_claim_writes_running() -> None:
    entries = {action for (status, action), to in TRANSITIONS.items() if to == "running" and status != "running"}
    assert entries == {Action.CLAIM}


def test_every_verb_can_be_said_and_a_cancelled_job_can_only_be_deleted() -> None:
    assert all(sources(action) for action in Action)
    assert [action for action in Action if (JobStatus.CANCELLED, action) in TRANSITIONS] == [Action.DELETE]


def test_no_job_is_deleted_while_it_runs_and_any_other_can_be() -> None:
    assert set(sources(Action.DELETE)) == set(JobStatus) - {JobStatus.RUNNING}
