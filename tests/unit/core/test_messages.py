import re

import pytest

from rowmill.cli.remedies import REMEDIES as ON_THE_COMMAND_LINE
from rowmill.core.errors import NotFound, RowmillError
from rowmill.core.job import JobError
from rowmill.core.messages import Message, Remedies, fields
from rowmill.http.remedies import REMEDIES as OVER_HTTP
from rowmill.local.remedies import REMEDIES as FROM_PYTHON
from rowmill.local.remedies import advised

COMMAND = re.compile(r" --|`-|\browmill [a-z]")
PATH = re.compile(r"/v1|\b(GET|POST|PUT|PATCH|DELETE) ")

tables = pytest.mark.parametrize(
    "remedies", [ON_THE_COMMAND_LINE, OVER_HTTP, FROM_PYTHON], ids=["cli", "http", "python"]
)


@pytest.mark.parametrize("message", Message)
def test_a_message_speaks_of_no_interface(message: Message) -> None:
    assert not COMMAND.search(message.sentence)
    assert not PATH.search(message.sentence)


@tables
def test_each_interface_knows_what_to_do_about_every_message(remedies: Remedies) -> None:
    assert set(remedies) == set(Message)


@tables
@pytest.mark.parametrize("message", Message)
def test_a_remedy_uses_only_parameters_of_its_message(remedies: Remedies, message: Message) -> None:
    assert fields(remedies[message]) <= message.parameters


@pytest.mark.parametrize("message", Message)
def test_an_interface_gives_no_advice_in_the_words_of_another(message: Message) -> None:
    assert not PATH.search(ON_THE_COMMAND_LINE[message])
    assert not COMMAND.search(OVER_HTTP[message])
    assert not PATH.search(FROM_PYTHON[message])
    assert not COMMAND.search(FROM_PYTHON[message])


def test_an_error_says_what_to_do_in_the_words_of_the_interface_that_shows_it() -> None:
    error = NotFound(Message.JOB_UNKNOWN, name="job_1")
    assert (error.message, error.hint, str(error)) == ("There is no job 'job_1'.", "", "There is no job 'job_1'.")
    error.advise(ON_THE_COMMAND_LINE)
    assert str(error) == "There is no job 'job_1'. List jobs with `rowmill jobs`."


def test_an_error_keeps_the_hint_that_it_was_raised_with() -> None:
    assert RowmillError("It broke.", "Fix it.").advise(OVER_HTTP).hint == "Fix it."
    assert NotFound(Message.JOB_UNKNOWN, "Did you mean 'job_2'?", name="job_1").advise(OVER_HTTP).hint.startswith("Did")


def test_a_message_without_its_parameters_is_a_fault() -> None:
    with pytest.raises(AssertionError):
        NotFound(Message.JOB_UNKNOWN)


def test_an_error_that_leaves_a_python_call_has_advice_for_python() -> None:
    with pytest.raises(NotFound) as raised, advised():
        raise NotFound(Message.JOB_UNKNOWN, name="job_1")
    assert raised.value.hint == FROM_PYTHON[Message.JOB_UNKNOWN]


def test_what_stopped_a_job_is_stored_without_advice_and_shown_with_that_of_the_interface() -> None:
    stored = JobError.of(NotFound(Message.JOB_UNKNOWN, name="job_1"))
    assert (stored.code, stored.message, stored.hint) == ("not_found", "There is no job 'job_1'.", "")
    assert stored.advice(ON_THE_COMMAND_LINE) == "List jobs with `rowmill jobs`."
    assert stored.advice(OVER_HTTP) == "GET /v1/jobs lists them."
    assert JobError("no_credit", "There is none.", "Pay.").advice(OVER_HTTP) == "Pay."
