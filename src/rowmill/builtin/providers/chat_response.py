"""What an answer of an OpenAI-compatible chat endpoint means: pure, from status, headers and body to an outcome."""

import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from rowmill.core.outcome import Failed, RetryLater, StopJob, Usage
from rowmill.core.quote import one_line
from rowmill.core.rate_headers import Clock, Header, retry_after, spent_limit
from rowmill.plugins.contracts import Completion

Answer = Completion | Failed | RetryLater | StopJob

_NO_CREDIT = {
    "insufficient_quota",
    "insufficient_balance",
    "insufficient_credits",
    "billing_error",
    "billing_not_active",
    "billing_hard_limit_reached",
}
_UNKNOWN_MODEL = {"model_not_found", "model_not_available"}
_FILTERED = {"content_filter", "content_policy_violation"}
_TOO_LONG = re.compile(r"context[ _](length|window|size)|maximum context|too many tokens|prompt is too long", re.I)
_LONGEST_QUOTE = 300
_MOST_TOKENS = 1 << 40


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """One answer as it came over the wire."""

    status: int
    header: Header
    body: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """What is sent to be let in, if anything, and what messages say about it."""

    called: str
    """``the key in OPENAI_API_KEY``, ``the key of the connection acme``."""
    missing: str
    """That there is none, as the end of a sentence."""
    mend: str
    """How to give another."""
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ResponseReader:
    """Reads the answers of one endpoint. Whatever it quotes, the key is cut out of it."""

    server: str
    """What messages call the endpoint: its host, never its user info or query."""
    model: str
    key: Key
    clock: Clock = time.time

    def read(self, response: ChatResponse) -> Answer:
        """The outcome that one answer stands for."""
        if 200 <= response.status < 300:
            return self._success(response)
        return self._refusal(response.status, response)

    def read_models(self, response: ChatResponse) -> Failed | RetryLater | StopJob | None:
        """What the answer to the question for all models says about the connection; ``None``: nothing bad."""
        if 200 <= response.status < 300:
            return None if _lists_models(response.body) else self._unreadable(response)
        if response.status in (404, 405):
            return Failed(f"http_{response.status}", f"{self.server} has no list of models ({response.status}).")
        return self._refusal(response.status, response)

    def redacted(self, text: str) -> str:
        """The text on one line, cut to a quotable length and without the key."""
        return one_line(text.replace(self.key.value, "[key]") if self.key.value else text, _LONGEST_QUOTE)

    def _success(self, response: ChatResponse) -> Answer:
        try:
            payload = orjson.loads(response.body)
            choice = payload["choices"][0]
            message = choice["message"]
            text = _text(message.get("content"))
            usage = _usage(payload)
        except (ValueError, LookupError, TypeError, AttributeError):
            return self._unreadable(response)
        finish = choice.get("finish_reason")
        if finish == "length":
            return RetryLater(
                "invalid_output", f"{self.model} was cut off: its answer reached the length limit.", usage=usage
            )
        if finish == "content_filter":
            return Failed("content_filter", f"The content filter at {self.server} withheld the answer.", usage)
        if refusal := message.get("refusal"):
            return Failed("refused", f"{self.model} refused to answer: {self.redacted(str(refusal))}", usage)
        return Completion(text, usage, spent_limit(response.header, self.clock))

    def _unreadable(self, response: ChatResponse) -> Failed | RetryLater | StopJob:
        """Some gateways answer 200 with an error inside: then that error's own status counts."""
        status = error_of(response.body).get("code")
        if isinstance(status, int) and 400 <= status < 600:
            return self._refusal(status, response)
        quote = self.redacted(response.body[:_LONGEST_QUOTE].decode(errors="replace"))
        return RetryLater("invalid_response", f"{self.server} answered {response.status} without a completion: {quote}")

    def _refusal(self, status: int, response: ChatResponse) -> Failed | RetryLater | StopJob:
        if status < 400:
            return self._redirected(status, response.header)
        error = error_of(response.body)
        labels = {str(error.get("code")), str(error.get("type"))}
        said = self._said(status, error, response.body)
        return (
            self._fatal(status, labels, said)
            or self._passing(status, response, said)
            or self._final(status, labels, said)
        )

    def _fatal(self, status: int, labels: set[str], said: str) -> StopJob | None:
        """What would fail every row alike."""
        if status == 402 or (status < 500 and labels & _NO_CREDIT):
            return StopJob("no_credit", f"No credit is left for the key: {said}", "Add credit, then resume the job.")
        if status == 401:  # not quoted: servers repeat parts of the key
            given = f"refused {self.key.called}" if self.key.value else "wants a key and none was sent"
            return StopJob("key_refused", f"{self.server} {given} (401).", self.key.mend)
        if status == 403:
            return StopJob("forbidden", said, f"See what {self.key.called} may use.")
        if status == 404 or (status == 400 and labels & _UNKNOWN_MODEL):
            hint = f"See whether the model is called {self.model!r} there, and whether the base URL should end in /v1."
            return StopJob("unknown_model", said, hint)
        return None

    def _passing(self, status: int, response: ChatResponse, said: str) -> RetryLater | None:
        """What may go better another time."""
        if status == 429:
            return RetryLater("rate_limited", said, retry_after(response.header, self.clock), gate=True)
        if status >= 500:
            after = retry_after(response.header, self.clock)
            return RetryLater("server_error", said, after, gate=status == 503 and after is not None)
        if status in (408, 409, 425):
            return RetryLater(f"http_{status}", said, retry_after(response.header, self.clock))
        return None

    def _final(self, status: int, labels: set[str], said: str) -> Failed:
        """What this row will meet each time."""
        if labels & _FILTERED:
            return Failed("content_filter", said)
        if status == 413 or "context_length_exceeded" in labels or _TOO_LONG.search(said):
            return Failed("context_length", said)
        return Failed("bad_request" if status == 400 else f"http_{status}", said)

    def _redirected(self, status: int, header: Header) -> StopJob:
        place = _place(header("location") or "")
        return StopJob(
            "redirected",
            f"{self.server} redirects to {place} ({status}), and redirects are not followed.",
            "Set the base URL to the address that answers itself.",
        )

    def _said(self, status: int, error: dict[str, Any], body: bytes) -> str:
        words = error.get("message") or body[: 4 * _LONGEST_QUOTE].decode(errors="replace")
        quote = self.redacted(str(words)) or "nothing more"
        end = "" if quote.endswith((".", "!", "?", "…")) else "."
        return f"{self.server} answered {status}: {quote}{end}"


def rejects_schema(response: ChatResponse) -> bool:
    """Whether a server says that it does not take ``response_format`` with a JSON Schema."""
    if response.status not in (400, 422):
        return False
    body = response.body.lower()
    return b"response_format" in body or b"json_schema" in body


def _lists_models(body: bytes) -> bool:
    try:
        payload = orjson.loads(body)
    except ValueError:
        return False
    return isinstance(payload, list) or (isinstance(payload, dict) and isinstance(payload.get("data"), list))


def error_of(body: bytes) -> dict[str, Any]:
    """The error object in a body: ``{"error": {…}}``, ``{"error": "…"}``, or the whole where servers put it flat."""
    try:
        payload = orjson.loads(body)
    except ValueError:
        return {}
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, dict):
        return {}
    error = payload.get("error", payload)
    return error if isinstance(error, dict) else {"message": error}


def _place(url: str) -> str:
    """Scheme and host alone: the rest may hold secrets."""
    try:
        target = urlsplit(url)
    except ValueError:
        return "no valid address"
    return f"{target.scheme}://{target.hostname}" if target.hostname else "another path"


def _text(content: Any) -> str:
    """The content as text; some servers send a list of parts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""


def _usage(payload: dict[str, Any]) -> Usage:
    usage = _object(payload, "usage")
    tokens_in = _tokens(usage.get("prompt_tokens"), _MOST_TOKENS)
    tokens_out = _tokens(usage.get("completion_tokens"), _MOST_TOKENS)
    tier = payload.get("service_tier")
    return Usage(
        tokens_in,
        tokens_out,
        cached=_tokens(_object(usage, "prompt_tokens_details").get("cached_tokens"), tokens_in),
        reasoning=_tokens(_object(usage, "completion_tokens_details").get("reasoning_tokens"), tokens_out),
        service_tier=tier if isinstance(tier, str) and tier.isprintable() else None,
    )


def _object(container: dict[str, Any], name: str) -> dict[str, Any]:
    """The object called ``name``, or an empty one if there is none."""
    value = container.get(name)
    return value if isinstance(value, dict) else {}


def _tokens(count: Any, most: int) -> int:
    """``count``, or 0 if it is not a number from 0 to ``most``: a server that counts badly does not lose its answer."""
    return count if type(count) is int and 0 <= count <= most else 0
