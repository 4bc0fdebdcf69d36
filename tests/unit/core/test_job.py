from dataclasses import replace
from typing import Any

import pytest

from rowmill.core.job import Job, Owner, Settings, Step
from rowmill.core.progress import Counts
from rowmill.core.status import Action, JobStatus, JobType

JOB = Job(
    pk=1,
    id="job_1",
    type=JobType.ENRICHMENT,
    name="reviews",
    status=JobStatus.RUNNING,
    pause_reason=None,
    requested_action=None,
    error=None,
    dismissed=False,
    counts=Counts(10, succeeded=9, failed=1),
    uncertain=0,
    running=0,
    tokens_in=0,
    tokens_out=0,
    cost=0,
    seq=0,
    dataset=1,
    dataset_id="ds_1",
    steps=[Step("a", "python", {}, {"x": {}, "y": {}}), Step("b", "python", {}, {"z": {}})],
    settings=Settings(),
    output=None,
    delivered=None,
    created_at=0.0,
    started_at=None,
    finished_at=None,
)


@pytest.mark.parametrize(
    ("status", "owner", "interrupted"),
    [
        (JobStatus.RUNNING, None, True),
        (JobStatus.RUNNING, Owner("eng_1", 1, alive=False), True),
        (JobStatus.RUNNING, Owner("eng_1", 1, alive=True), False),
        (JobStatus.PENDING, None, False),
        (JobStatus.PAUSED, None, False),
    ],
)
def test_a_running_job_without_a_living_engine_is_interrupted(
    status: JobStatus, owner: Owner | None, interrupted: bool
) -> None:
    assert replace(JOB, status=status, owner=owner).interrupted is interrupted


def test_failed_rows_of_a_completed_job_need_attention_until_it_is_dismissed() -> None:
    completed = replace(JOB, status=JobStatus.COMPLETED)
    assert completed.needs_attention
    assert not JOB.needs_attention
    assert not replace(completed, dismissed=True).needs_attention
    assert not replace(completed, counts=Counts(10, 10)).needs_attention


def test_a_job_with_a_request_is_stopping() -> None:
    assert replace(JOB, requested_action=Action.PAUSE).stopping
    assert not JOB.stopping


def test_output_columns_come_in_the_order_of_the_steps() -> None:
    assert JOB.columns == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("config", "connection"),
    [
        ({"provider_config": {"connection": "acme"}}, "acme"),
        ({"provider_config": {"base_url": "http://a/v1"}}, None),
        ({"provider_config": None}, None),
        ({"provider_config": ["acme"]}, None),
        ({}, None),
    ],
)
def test_a_step_tells_the_connection_that_it_goes_over(config: dict[str, Any], connection: str | None) -> None:
    assert Step("prompt", "prompt", config, {}).connection == connection
