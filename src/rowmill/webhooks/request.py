"""One request to a receiver of webhooks, and what its answer means.

Nothing of an answer is trusted: redirects are not followed, and no more of it is read than is quoted.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp

from rowmill.net.connection import in_words, innermost
from rowmill.net.public_socket import PrivateAddress, public_socket

_READ = 1024
_LONGEST_QUOTE = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """``error`` is why it does not count as delivered; ``retry_after`` how many seconds the receiver asks to wait."""

    status: int | None
    error: str | None = None
    retry_after: float | None = None


def open_session(*, allow_private: bool) -> aiohttp.ClientSession:
    """What requests are sent with. Unless private addresses are allowed, they are refused as they are connected to."""
    return aiohttp.ClientSession(
        # A receiver is told of something now and then: no connection is worth keeping.
        connector=aiohttp.TCPConnector(
            limit=0, force_close=True, socket_factory=None if allow_private else public_socket
        ),
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "rowmill", "Content-Type": "application/json", "Accept-Encoding": "identity"},
        auto_decompress=False,
    )


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
    return Answer(response.status, error, _retry_after(response.headers.get("Retry-After", ""), now))


async def _quote(response: aiohttp.ClientResponse) -> str:
    """The beginning of the body on one line."""
    text = (await response.content.read(_READ)).decode(errors="replace")
    line = "".join(each if each.isprintable() else " " for each in " ".join(text.split()))
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}…"


def _retry_after(value: str, now: float) -> float | None:
    """Seconds to wait, told as such or as a date (RFC 9110, 10.2.3)."""
    if value.isascii() and value.isdigit():
        return float(value[:10])
    try:
        date = parsedate_to_datetime(value)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _words(error: BaseException) -> str:
    """What went wrong; the first cause alone, for the others repeat the URL."""
    cause = innermost(error)
    if isinstance(cause, PrivateAddress):
        hint = "whoever runs the server may allow it: rowmill serve --allow-private"
        return f"The receiver is not on the public internet; {hint}."
    return f"The receiver could not be reached: {in_words(cause).rstrip('.')}."
