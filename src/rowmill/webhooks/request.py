"""One request to a receiver of webhooks, and what its answer means.

Nothing of an answer is trusted: redirects are not followed, and no more of it is read than is quoted.
"""

import asyncio
from dataclasses import dataclass, replace

import aiohttp

from rowmill.core.quote import one_line
from rowmill.core.rate_headers import retry_after
from rowmill.net.connection import in_words, innermost
from rowmill.net.public_socket import PrivateAddress
from rowmill.net.session import open_session

_READ = 1024
_LONGEST_QUOTE = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """``error`` is why it does not count as delivered; ``retry_after`` how many seconds the receiver asks to wait."""

    status: int | None
    error: str | None = None
    retry_after: float | None = None


def open_sender(*, allow_private: bool) -> aiohttp.ClientSession:
    """A session for ``post``. Deliveries are too rare for a connection to be worth keeping."""
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    return open_session(headers, public_only=not allow_private, keep_alive=False, decompress=False)


async def post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str], *, within: float, now: float
) -> Answer:
    """Sends ``body``; whatever comes of it within ``within`` seconds is an answer."""
    answer: Answer | None = None
    error: str
    try:
        async with (
            asyncio.timeout(within),
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            answer = _answer(response, now)
            if answer.error is not None:
                answer = replace(answer, error=f"{answer.error} {await _quote(response)}".rstrip())
            response.close()
    except TimeoutError:
        error = f"The receiver did not answer within {within:g} seconds."
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        error = _words(failure)
    # What breaks once the status has come changes nothing of it.
    return answer or Answer(None, error)


def _answer(response: aiohttp.ClientResponse, now: float) -> Answer:
    if 200 <= response.status < 300:
        return Answer(response.status)
    error = f"The receiver answered {response.status}."
    if 300 <= response.status < 400:
        error = f"{error} Redirects are not followed: give the webhook the final URL."
    return Answer(response.status, error, retry_after(response.headers.get, lambda: now))


async def _quote(response: aiohttp.ClientResponse) -> str:
    """The beginning of the body on one line."""
    text = (await response.content.read(_READ)).decode(errors="replace")
    return one_line("".join(each if each.isprintable() else " " for each in text), _LONGEST_QUOTE)


def _words(error: BaseException) -> str:
    """What went wrong; the first cause alone, for the others repeat the URL."""
    cause = innermost(error)
    if isinstance(cause, PrivateAddress):
        hint = "whoever runs the server can allow private addresses"
        return f"The receiver is not on the public internet; {hint}."
    return f"The receiver could not be reached: {in_words(cause).rstrip('.')}."
