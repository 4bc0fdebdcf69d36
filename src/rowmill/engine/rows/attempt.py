"""One attempt: calls the processor and turns whatever happens into an outcome."""

import asyncio
from dataclasses import replace

import orjson

from rowmill.core.outcome import NO_USAGE, Done, Outcome, RetryLater, StopJob, Usage
from rowmill.engine.item import AttemptResult, Item
from rowmill.engine.runtime import Runtime
from rowmill.plugins.contracts import Processor

_MOST_TOKENS = 1 << 40
"""More than any call can use, and few enough that sums and costs fit into the store's 64 bits."""


async def attempt(slot: int, item: Item, processor: Processor, timeout: float, runtime: Runtime) -> AttemptResult:  # noqa: ASYNC109
    """Works ``item`` once, for at most ``timeout`` seconds. Nothing escapes."""
    started_at = runtime.now()
    outcome: Outcome | None
    try:
        async with asyncio.timeout(timeout) as deadline:
            outcome = _checked(await processor.process(item.inputs()))
    except TimeoutError as error:
        if deadline.expired():
            outcome = RetryLater("timeout", f"No answer came within {timeout:g} seconds.")
        else:
            outcome = _escaped(error)
    except asyncio.CancelledError as error:
        # A plugin may raise it of itself; only a task that was told to stop is aborted.
        task = asyncio.current_task()
        outcome = None if task and task.cancelling() else _escaped(error)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises concerns this row only
        outcome = _escaped(error)
    return AttemptResult(slot, item, outcome, started_at, runtime.now() - started_at)


def _checked(outcome: Outcome) -> Outcome:
    """Raises ``TypeError`` for what no ledger could hold: a plugin is not bound to its types."""
    if not isinstance(outcome, Outcome):
        raise TypeError(f"the processor returned {type(outcome).__name__}, which is not an outcome")
    if not isinstance(outcome, StopJob) and outcome.usage is not NO_USAGE and not _is_valid(outcome.usage):
        raise ValueError(f"the processor returned an invalid {outcome.usage}")
    if isinstance(outcome, Done):
        orjson.dumps(outcome.values)
        return outcome
    return replace(outcome, message=_utf8(outcome.message))


def _is_valid(usage: Usage) -> bool:
    counts = (usage.tokens_in, usage.tokens_out, usage.cached, usage.cache_write, usage.reasoning)
    tier = usage.service_tier
    return (
        all(isinstance(tokens, int) and 0 <= tokens <= _MOST_TOKENS for tokens in counts)
        and (tier is None or (isinstance(tier, str) and tier.isprintable()))
        and isinstance(usage.estimated, bool)
    )


def _escaped(error: BaseException) -> Outcome:
    return RetryLater("function_error", _utf8(f"{type(error).__name__}: {error}"))


def _utf8(text: str) -> str:
    """``text`` without lone surrogates, which UTF-8 and with it the store cannot hold; undecodable names have them."""
    return text.encode(errors="replace").decode()
