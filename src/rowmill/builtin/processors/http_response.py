"""What an HTTP answer means for its row: pure, from status, headers and body to an outcome."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonpath_rfc9535
import jsonschema_rs
import orjson

from rowmill.builtin.processors.answers import InvalidAnswer
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Done, Failed, RetryLater
from rowmill.core.quote import one_line
from rowmill.core.rate_headers import Clock, Header, retry_after, spent_limit
from rowmill.core.suggest import did_you_mean, listing

_LONGEST_QUOTE = 120
_LONG_NUMBER = re.compile(r"[0-9]{19}")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as it came over the wire. ``server`` is its host and port."""

    server: str
    status: int
    header: Header
    body: bytes
    charset: str = "utf-8"

    @property
    def text(self) -> str:
        try:
            return self.body.decode(self.charset, errors="replace").removeprefix("\ufeff")
        except LookupError:
            return self.body.decode(errors="replace")


class Results:
    """Takes the output columns out of an answer. ``paths`` maps columns to JSON paths (RFC 9535); one without takes the
    top-level member of its own name. A single column without a path takes the whole answer: its JSON value, or the
    text where it is no JSON or where the column is of text.

    A path that finds one value gives this value, one that finds several their list; a list column takes a single one
    as a list too, where the path could have found more. Values are never converted. Raises ``UsageError`` for a path
    that cannot be read or belongs to no column."""

    def __init__(self, outputs: Mapping[str, Mapping[str, Any]], paths: Mapping[str, str]) -> None:
        for name in paths:
            if name not in outputs:
                hint = f"{did_you_mean(name, outputs)} The output columns are: {listing(outputs)}.".strip()
                raise UsageError(f"There is a JSON path for {name!r}, but no such output column.", hint)
        self._types = {name: schema.get("type") for name, schema in outputs.items()}
        self._checks = {
            name: jsonschema_rs.validator_for(dict(schema), offline=True) for name, schema in outputs.items()
        }
        self._whole = next(iter(outputs)) if len(outputs) == 1 and not paths else None
        self._paths = {name: _compiled(name, paths.get(name) or _member(name)) for name in outputs}

    def read(self, text: str) -> dict[str, Any]:
        """The value of each output column. Raises ``InvalidAnswer``."""
        values = self._picked(text) if self._whole is None else {self._whole: self._all(self._whole, text)}
        if _LONG_NUMBER.search(text) and _holds_long_integer(text, values):
            raise InvalidAnswer("The answer holds an integer beyond 64 bits, which would be rounded.")
        for name, value in values.items():
            if not self._checks[name].is_valid(value):
                misfit = next(iter(self._checks[name].iter_errors(value))).message
                raise InvalidAnswer(f"The answer's {name!r} does not fit: {quoted(misfit)}.")
        return values

    def _all(self, name: str, text: str) -> Any:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        return text if self._types[name] == "string" and not isinstance(value, str) else value

    def _picked(self, text: str) -> dict[str, Any]:
        try:
            answer = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise InvalidAnswer(f"The answer is no JSON: {quoted(text) or 'it is empty'}.") from None
        return {name: self._found(name, path, answer, text) for name, path in self._paths.items()}

    def _found(self, name: str, path: jsonpath_rfc9535.JSONPathQuery, answer: Any, text: str) -> Any:
        try:
            values = path.find(answer).values()
        except (jsonpath_rfc9535.JSONPathError, RecursionError) as error:
            raise InvalidAnswer(f"The path {path} cannot be followed through the answer: {error}.") from None
        if not values:
            raise InvalidAnswer(f"The path {path} finds nothing in the answer: {quoted(text)}.")
        if len(values) > 1:
            return values
        is_listed = self._types[name] == "array" and not path.singular_query() and not isinstance(values[0], list)
        return values if is_listed else values[0]


@dataclass(frozen=True, slots=True)
class ResponseReader:
    """Reads the answers to one step's requests. Whatever it quotes, the secrets are cut out of it."""

    results: Results
    secrets: tuple[str, ...] = ()
    clock: Clock = time.time

    def read(self, response: Response) -> Done | Failed | RetryLater:
        """The outcome that one answer stands for. What does not fit is final: the same request would get the same."""
        if not 200 <= response.status < 300:
            return self._refusal(response)
        try:
            values = self.results.read(response.text)
        except InvalidAnswer as error:
            return Failed("invalid_output", self.redacted(str(error)))
        return Done(values, hold=spent_limit(response.header, self.clock))

    def redacted(self, text: str) -> str:
        """The text without the secrets."""
        # An answer that echoes a secret may have it escaped as JSON does.
        forms = {form for secret in self.secrets for form in (secret, orjson.dumps(secret).decode()[1:-1])}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "[secret]")
        return text

    def _refusal(self, response: Response) -> Failed | RetryLater:
        status = response.status
        # Cut out before it is cut short: half a secret would not be found.
        quote = quoted(self.redacted(response.text)) or "nothing more"
        said = f"{response.server} answered {status}: {quote}{'' if quote.endswith(('.', '!', '?', '…')) else '.'}"
        after = retry_after(response.header, self.clock)
        if status == 429:
            return RetryLater("rate_limited", said, after, gate=True)
        if status >= 500:
            return RetryLater("server_error", said, after, gate=status == 503 and after is not None)
        if status in (408, 409, 425):
            return RetryLater(f"http_{status}", said, after)
        return Failed("bad_request" if status == 400 else f"http_{status}", said)


def quoted(text: str) -> str:
    """The beginning of a text on one line."""
    return one_line(text[: 8 * _LONGEST_QUOTE], _LONGEST_QUOTE)


def _holds_long_integer(text: str, values: Mapping[str, Any]) -> bool:
    """Whether one of ``values`` was rounded: orjson reads integers beyond 64 bits as floats."""
    rounded: set[float] = set()

    def keep(digits: str) -> int:
        if not -(2**63) <= (number := int(digits)) < 2**64:
            rounded.add(float(number))
        return number

    try:
        json.loads(text, parse_int=keep)
    except (ValueError, OverflowError, RecursionError):
        return True
    return any(number in rounded for number in _floats(list(values.values())))


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _floats(inner)


def _compiled(column: str, path: str) -> jsonpath_rfc9535.JSONPathQuery:
    try:
        return jsonpath_rfc9535.compile(path)
    except jsonpath_rfc9535.JSONPathError as error:
        place = f" at character {error.token.index + 1}" if error.token else ""
        message = f"The JSON path {path!r} of {column!r} cannot be read{place}: {error.args[0]}."
        raise UsageError(message, "Write it as $.address.city (RFC 9535).") from None


def _member(name: str) -> str:
    return f"$[{orjson.dumps(name).decode()}]"
