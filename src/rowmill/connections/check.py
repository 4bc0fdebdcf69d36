"""Whether a connection works: asked of its provider, now."""

import asyncio
from collections.abc import Callable

from rowmill.connections.connect import provider_config
from rowmill.connections.service import get, qualified
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Failed, RetryLater, StopJob
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Provider, ProviderFactory
from rowmill.plugins.registry import load
from rowmill.shapes.connections import ConnectionTest, Verdict

_PATIENCE = 30.0
"""Seconds for all of it, an embedded model's loading included."""

Answer = Failed | RetryLater | StopJob | None


_STOPS = {
    "key_refused": Verdict.REFUSED,
    "forbidden": Verdict.REFUSED,
    "no_credit": Verdict.NO_CREDIT,
    "unknown_model": Verdict.UNKNOWN_MODEL,
}


def check_connection(store: Store, name: str, model: str | None = None) -> ConnectionTest:
    """Asks the provider behind the connection called ``name`` for its models, or ``model`` for one token, which many
    need to tell that credit is missing. Blocks for up to 30 seconds, outside any event loop.

    Raises ``NotFound`` for an unknown connection and ``StoreError`` where its key cannot be read.
    """
    connection = get(store, name)
    wanted = (qualified(store, name, model) or "").partition("/")[2]
    factory: ProviderFactory = load("providers", connection.provider)
    config = provider_config(store, connection)
    try:
        answer = asyncio.run(_ask(lambda: factory(wanted, config)))
    except UsageError as error:
        return ConnectionTest(
            Verdict.UNKNOWN_MODEL if wanted and not config["base_url"] else Verdict.REFUSED, str(error)
        )
    except TimeoutError:
        return ConnectionTest(Verdict.UNREACHABLE, f"{name} did not answer within {_PATIENCE:g} seconds.")
    return _judged(name, wanted, answer)


async def _ask(make: Callable[[], Provider]) -> Answer:
    async with asyncio.timeout(_PATIENCE):
        provider = make()
        try:
            await provider.open()
            return await provider.check()
        finally:
            await provider.close()


def _judged(name: str, model: str, answer: Answer) -> ConnectionTest:
    match answer:
        case None:
            done = f"{model} answers over {name}." if model else f"{name} answers and refuses nothing."
            return ConnectionTest(Verdict.VALID, done)
        case StopJob():
            message = f"{answer.message} {answer.hint}".strip()
            return ConnectionTest(_STOPS.get(answer.code, Verdict.UNREACHABLE), message)
        case RetryLater(code="rate_limited"):
            return ConnectionTest(Verdict.VALID, f"{name} takes no more calls at the moment: {answer.message}")
        case Failed() if model:  # the call was let in, and only then found wanting
            return ConnectionTest(Verdict.VALID, f"{name} lets calls in, but this trial was refused: {answer.message}")
        case Failed():
            hint = "See whether the base URL should end in /v1, or test with a model."
            return ConnectionTest(Verdict.UNREACHABLE, f"{answer.message} {hint}")
        case RetryLater():
            return ConnectionTest(Verdict.UNREACHABLE, answer.message)
