"""Writes a row's HTTP request from templates, so that no value breaks out of its place."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, quote_plus

import orjson
from yarl import URL

from rowmill.core.errors import UsageError
from rowmill.core.suggest import did_you_mean, listing
from rowmill.core.template import Template, written

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HTTP_URL = re.compile(r"https?://", re.I)
_BEFORE_PATH = re.compile(r"https?://[^/?#]*", re.I)
_LEGAL = "!$%&'()*+,/:;=?@[]~"
_HOST = re.compile(r"[\w.:-]+", re.ASCII)
_NO_SEGMENT = ("", ".", "..")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = ("content-length", "transfer-encoding")
_CREDENTIALS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#{]*@")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ENVIRONMENT = re.compile(r"\$\{(\w+)\}", re.ASCII)
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_FORM = "application/x-www-form-urlencoded"
_JSON_TYPE = re.compile(r"[^;]*[/+]json\s*(;|$)", re.I)
_JSON_SCALAR = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false|null")
_STRING_MARK = re.compile(r'\\.|"', re.S)
_PLACE = re.compile(r"\0(\d+)\0")


class InvalidRequest(ValueError):
    """This row's values make no request. Its text is the sentence to show."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None


class RequestTemplate:
    """Reads ``method``, ``url``, ``headers`` and ``body`` of the processor's ``config``. Raises ``UsageError`` for what
    can make no request, and for environment variables that are not set."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        headers = config.get("headers") or {}
        body = config.get("body")
        self._method = _method(config.get("method") or ("POST" if body else "GET"))
        _check_no_secret(config["url"])
        self._url = UrlTemplate(config["url"])
        self._headers = {name: HeaderTemplate(name, text) for name, text in headers.items()}
        self._content_type = next((text for name, text in headers.items() if name.lower() == "content-type"), "")
        self._body = _body(body, self._content_type) if body else None
        self.origin = self._url.origin
        self.secrets = tuple(secret for header in self._headers.values() for secret in header.secrets)
        """Whatever came from the environment: never to be shown."""

    def render(self, values: Mapping[str, Any]) -> Request:
        """The request of one row. Raises ``InvalidRequest``."""
        headers = {name: template.render(values) for name, template in self._headers.items()}
        body = None
        if self._body is not None:
            body, content_type = self._body.render(values)
            if not self._content_type:
                headers["Content-Type"] = content_type
        return Request(self._method, self._url.render(values), headers, body)


def variables(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that any of the templates names, in order. Raises ``UsageError`` for braces that do not close."""
    texts = [config["url"], *(config.get("headers") or {}).values(), config.get("body") or ""]
    return tuple(dict.fromkeys(name for text in texts for name in Template(text).variables))


class UrlTemplate:
    """A URL in which every value is percent-encoded whole, and none may make up a path segment that is empty, ``.`` or
    ``..``: a row without an id must not reach the whole collection. Only where one variable is the whole URL is its
    value taken as a URL."""

    def __init__(self, text: str) -> None:
        self._template = Template(text.strip())
        self._is_value = _is_one_variable(self._template)
        if not (self._is_value or _HTTP_URL.match(text.strip())):
            raise UsageError("The URL is not an HTTP address.", "Write it as https://HOST/PATH.")
        self._model = _segments(self._filled("x"))
        self.origin = None if self._is_value else self._origin()
        """Scheme, host and port, where they are the same for every row."""

    def render(self, values: Mapping[str, Any]) -> URL:
        """Raises ``InvalidRequest``."""
        if self._is_value:
            return _checked(self._template.render(values).strip())
        text = _rendered(self._template, values, lambda value: quote(value, safe=""))
        for segment, model in zip(_segments(text), self._model, strict=True):
            if segment in _NO_SEGMENT and segment != model:
                raise InvalidRequest(f"A value would make {segment!r} of a whole segment of the URL's path.")
        return _checked(text)

    def _origin(self) -> str | None:
        """Raises ``UsageError`` where no value could make an address of it."""
        origins = set()
        for stand_in in ("1", "2"):  # as good for a port as for a name
            try:
                origins.add(str(_checked(self._filled(stand_in)).origin()))
            except InvalidRequest:
                raise UsageError("The URL is not an HTTP address.", "Write it as https://HOST/PATH.") from None
        return origins.pop() if len(origins) == 1 else None

    def _filled(self, stand_in: str) -> str:
        return self._template.render(dict.fromkeys(self._template.variables, stand_in))


def _check_no_secret(url: str) -> None:
    """An address is kept with the job and shown: what gives access belongs into a header."""
    hint = "Put it into a header, such as 'Authorization: Bearer ${NAME}', which reads it from the environment."
    if _ENVIRONMENT.search(url):
        raise UsageError("The URL names an environment variable, which only headers take values from.", hint)
    if _CREDENTIALS.match(url):
        raise UsageError("The URL holds a user's name and password, which would be kept with the job.", hint)


class HeaderTemplate:
    """A header's value. ``${NAME}`` is an environment variable, looked up here and kept nowhere else."""

    def __init__(self, name: str, text: str) -> None:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING:
            raise UsageError(f"{name!r} is no header that can be set.", "Write 'NAME: VALUE'.")
        self._name = name
        pieces = _ENVIRONMENT.split(text)
        self._templates = [Template(piece) for piece in pieces[::2]]
        self.secrets = [_environment(piece, name) for piece in pieces[1::2]]
        if _CONTROL.search("".join([*pieces[::2], *self.secrets])):
            raise UsageError(f"The header {name!r} holds a line break or another control character.", "Set it again.")

    def render(self, values: Mapping[str, Any]) -> str:
        """Raises ``InvalidRequest`` where a value would begin another header."""
        pieces = [template.render(values) for template in self._templates]
        if _CONTROL.search("".join(pieces)):
            raise InvalidRequest(f"A value would put a line break or another control character into {self._name!r}.")
        for place, secret in enumerate(self.secrets):
            pieces.insert(2 * place + 1, secret)
        return "".join(pieces).strip()


class BodyTemplate(Protocol):
    def render(self, values: Mapping[str, Any]) -> tuple[bytes, str]:
        """The body, and the content type it has by itself."""
        ...


class ValueBody:
    """One variable is the whole body: its value as it is written."""

    def __init__(self, template: Template) -> None:
        self._template = template

    def render(self, values: Mapping[str, Any]) -> tuple[bytes, str]:
        body = self._template.render(values).encode()
        return body, _JSON if _is_json(body) else _TEXT


class JsonBody:
    """A JSON document. A variable inside a string is written there as text. One in a value's own place keeps its type,
    and a text there that reads as a number, ``true``, ``false`` or ``null`` is one, since a CSV file knows only texts:
    ``{"zip": "{{zip}}", "age": {{age}}}``. Whatever the values, it stays JSON of this shape."""

    def __init__(self, template: Template) -> None:
        """Raises ``orjson.JSONDecodeError`` where it is no such document."""
        names = template.variables
        marked = template.render({name: f"\0{place}\0" for place, name in enumerate(names)})  # JSON text holds no NUL
        self._pieces = _PLACE.split(marked)
        self._fillings: list[tuple[str, Callable[[Any], str]]] = []
        inside = False
        for literal, place in zip(self._pieces[::2], self._pieces[1::2], strict=False):
            inside ^= _STRING_MARK.findall(literal).count('"') % 2 == 1
            self._fillings.append((names[int(place)], _in_string if inside else _as_value))
        # Stand-ins that fit nowhere else: neither into a number or an escape, nor as a member's name.
        orjson.loads(self._joined(["x" if fill is _in_string else "null" for _, fill in self._fillings]))

    def render(self, values: Mapping[str, Any]) -> tuple[bytes, str]:
        return self._joined([fill(values.get(name)) for name, fill in self._fillings]).encode(), _JSON

    def _joined(self, fillings: list[str]) -> str:
        pieces = self._pieces.copy()
        pieces[1::2] = fillings
        return "".join(pieces)


class TextBody:
    """Any other text; in a form every value is encoded."""

    def __init__(self, template: Template, *, form: bool) -> None:
        self._template = template
        self._encode = quote_plus if form else str

    def render(self, values: Mapping[str, Any]) -> tuple[bytes, str]:
        return _rendered(self._template, values, self._encode).encode(), _TEXT


def _method(name: str) -> str:
    if name.upper() not in _METHODS:
        hint = f"{did_you_mean(name, _METHODS)} It is one of {listing(_METHODS)}.".strip()
        raise UsageError(f"The method {name!r} is not known.", hint)
    return name.upper()


def _body(text: str, content_type: str) -> BodyTemplate:
    template = Template(text)
    if _is_one_variable(template):
        return ValueBody(template)
    must_be_json = bool(_JSON_TYPE.match(content_type)) if content_type else text.lstrip().startswith(("{", "["))
    if content_type and not must_be_json:
        return TextBody(template, form=content_type.partition(";")[0].strip().lower() == _FORM)
    try:
        return JsonBody(template)
    except orjson.JSONDecodeError as error:
        if must_be_json:
            hint = "A variable stands inside a JSON string or in a value's place; other text needs a Content-Type."
            raise UsageError(f"The body is no JSON: {error.msg}.", hint) from None
    return TextBody(template, form=False)


def _rendered(template: Template, values: Mapping[str, Any], encode: Callable[[str], str]) -> str:
    return template.render({name: encode(written(values.get(name))) for name in template.variables})


def _is_one_variable(template: Template) -> bool:
    return template.render(dict.fromkeys(template.variables, "\0")) == "\0"


def _checked(text: str) -> URL:
    try:
        url = URL(text)
        if url.scheme in ("http", "https") and _HOST.fullmatch(url.raw_host or "") and url.port:
            (url.host or "").encode("idna")
            return _to_the_letter(url, text)
    except ValueError:  # its text may repeat what the URL holds
        pass
    raise InvalidRequest("The row's values make no HTTP address of the URL.")


def _to_the_letter(url: URL, text: str) -> URL:
    """The URL with its escapes as they are: yarl would undo some, and ``;`` or ``+`` mean more than ``%3B`` or ``%2B``
    to some servers."""
    rest = _BEFORE_PATH.sub("", text, count=1).partition("#")[0]
    return URL(f"{url.scheme}://{url.raw_authority}{quote(rest, safe=_LEGAL)}", encoded=True)


def _segments(url: str) -> list[str]:
    return re.split(r"[?#]", url, maxsplit=1)[0].split("/")


def _environment(name: str, header: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        message = f"The header {header!r} needs the environment variable {name}, which is not set."
        raise UsageError(message, f"Set {name}.")
    return value


def _in_string(value: Any) -> str:
    return orjson.dumps(written(value)).decode()[1:-1]


def _as_value(value: Any) -> str:
    if isinstance(value, str) and _JSON_SCALAR.fullmatch(value):
        return value
    return orjson.dumps(value).decode()


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
