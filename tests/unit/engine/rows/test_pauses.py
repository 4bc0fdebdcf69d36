from rowmill.cli.remedies import REMEDIES as ON_THE_COMMAND_LINE
from rowmill.core.status import Action, PauseReason
from rowmill.core.usage import UsageLimits
from rowmill.engine.rows.pauses import failure_spike, usage_limit
from rowmill.http.remedies import REMEDIES as OVER_HTTP


def test_a_usage_limit_is_named_with_how_to_raise_it() -> None:
    rows = usage_limit(UsageLimits(rows=1000, cost=2_500_000_000), "rows")
    assert (rows.action, rows.reason) == (Action.PAUSE, PauseReason.USAGE_LIMIT)
    assert rows.error
    assert (rows.error.code, rows.error.message) == ("usage_limit", "The limit of 1,000 rows a month is reached.")
    assert "rowmill limits --rows-per-month N" in rows.error.advice(ON_THE_COMMAND_LINE)
    cost = usage_limit(UsageLimits(rows=1000, cost=2_500_000_000), "cost").error
    assert cost
    assert cost.message == "The limit of $2.50 a month is reached."
    assert "PUT /v1/limits" in cost.advice(OVER_HTTP)


def test_a_spike_of_rows_that_reached_nobody_is_the_networks() -> None:
    stop = failure_spike("connection", "Nobody answered.")
    assert stop.error
    assert (stop.error.code, stop.tolerate) == ("network", "connection")
    other = failure_spike("bad_request", "It was refused.")
    assert other.error
    assert (other.error.code, other.tolerate) == ("bad_request", "bad_request")
