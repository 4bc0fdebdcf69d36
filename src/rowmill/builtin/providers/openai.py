"""Any OpenAI-compatible chat endpoint: OpenAI itself, a gateway, vLLM, llama.cpp, Ollama …"""

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from yarl import URL

from rowmill.builtin.providers.chat_response import Answer, ChatResponse, Key, ResponseReader, rejects_schema
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Failed, RetryLater, StopJob
from rowmill.core.proxy import environment_proxy
from rowmill.core.rate_headers import Clock
from rowmill.net.connection import in_words, innermost
from rowmill.net.session import CONNECT_TIMEOUT, open_session
from rowmill.plugins.contracts import Completion, Request

_BASE_URL = "https://api.openai.com/v1"
_KEY_NAME = "OPENAI_API_KEY"
_HTTP_URL = re.compile(r"https?://[!-~]+", re.ASCII)


class OpenAIProvider:
    """``config`` takes ``base_url`` and ``api_key_env`` (the environment variable that holds the key), or the name of a
    ``connection`` with its ``base_url`` and ``api_key``. Without a ``base_url`` it is OpenAI itself. User info in the
    URL is sent where there is no key. Raises ``UsageError`` for a missing key, an unusable URL or proxy."""

    max_concurrency = None

    def __init__(
        self,
        model: str,
        config: Mapping[str, Any],
        clock: Clock = time.time,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self._model = model
        self._connect_timeout = connect_timeout
        base_url = (config.get("base_url") or _BASE_URL).strip()
        url, models_url = _endpoint(base_url, "chat/completions"), _endpoint(base_url, "models")
        key = _key(config)
        _check_key(key, required=not config.get("base_url"))
        self._url = url.with_user(None) if key.value else url
        self._models_url = models_url.with_user(None) if key.value else models_url
        # Looked up once: aiohttp's own `trust_env` asks in a thread for every call, and in another for a password in
        # ~/.netrc, which would replace the key.
        self._proxy = environment_proxy(str(url))
        self._headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {key.value}"} if key.value else {}
        )
        self._reader = ResponseReader(str(url.host_port_subcomponent), model, key, clock)
        self._session: aiohttp.ClientSession | None = None
        self._takes_schema = True
        self._formatted: tuple[Mapping[str, Any], orjson.Fragment] | None = None
        self.limit_key: str | None = sha256(f"{url}\0{key.value or ''}".encode()).hexdigest()[:16]

    async def open(self) -> None:
        self._session = open_session(self._headers, proxy=self._proxy, connect_timeout=self._connect_timeout)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def complete(self, request: Request) -> Answer:
        """One call, or two where the server turns out not to take a JSON Schema; it is then told in words."""
        constrained = request.schema is not None and self._takes_schema
        response = await self._send("POST", self._url, self._body(request))
        if isinstance(response, RetryLater):
            return response
        if constrained and rejects_schema(response):
            self._takes_schema = False
            return await self.complete(request)
        return self._reader.read(response)

    async def check(self) -> Failed | RetryLater | StopJob | None:
        """Asks a model for one token: many servers tell only then that credit is missing. Without a model asks for the
        list of all, which costs nothing."""
        if not self._model:
            listed = await self._send("GET", self._models_url)
            return listed if isinstance(listed, RetryLater) else self._reader.read_models(listed)
        answer = await self._one_token("max_tokens")
        if isinstance(answer, Failed) and "max_completion_tokens" in answer.message:  # as newer models of OpenAI say
            answer = await self._one_token("max_completion_tokens")
        cut_off = isinstance(answer, RetryLater) and answer.code == "invalid_output"
        return None if cut_off or isinstance(answer, Completion) else answer

    async def _one_token(self, limit: str) -> Answer:
        return await self.complete(Request([{"role": "user", "content": "Hi"}], settings={limit: 1}))

    async def _send(self, method: str, url: URL, body: bytes | None = None) -> ChatResponse | RetryLater:
        assert self._session is not None, "open() comes before complete()"
        server = self._reader.server
        try:
            # Redirects are not followed: a key must not travel to a host nobody named.
            async with self._session.request(method, url, data=body, allow_redirects=False) as response:
                return ChatResponse(response.status, response.headers.get, await response.read())
        except TimeoutError:
            return RetryLater("timeout", f"{server} took no connection within {self._connect_timeout:g} seconds.")
        except (aiohttp.ClientError, OSError) as error:
            return RetryLater("connection", f"The connection to {server} failed: {self._cause(error)}.")

    def _body(self, request: Request) -> bytes:
        body = {**request.settings, "model": self._model, "messages": request.messages}
        if request.schema is not None:
            if self._takes_schema:
                body["response_format"] = self._response_format(request.schema)
            else:
                body["messages"] = _instructed(request.messages, request.schema)
        return orjson.dumps(body)

    def _response_format(self, schema: Mapping[str, Any]) -> orjson.Fragment:
        """Written once per schema: every row of a step brings the same one."""
        if self._formatted is None or self._formatted[0] is not schema:
            named = {"name": "answer", "strict": True, "schema": schema}
            self._formatted = (schema, orjson.Fragment(orjson.dumps({"type": "json_schema", "json_schema": named})))
        return self._formatted[1]

    def _cause(self, error: BaseException) -> str:
        return self._reader.redacted(in_words(innermost(error))).rstrip(".")


def _endpoint(base_url: str, place: str) -> URL:
    """The URL of ``place`` below the base URL, its characters left as they are. Raises ``UsageError``, without
    repeating user info or query."""
    with suppress(ValueError):
        parts = urlsplit(base_url)
        path = parts.path.rstrip("/").removesuffix("/chat/completions")
        url = URL(parts._replace(path=f"{path}/{place}", fragment="").geturl(), encoded=True)
        if _HTTP_URL.fullmatch(base_url) and url.host and url.host.encode("idna"):
            return url
    raise UsageError("The base URL is not an HTTP address.", "Write it as https://HOST/v1.")


def _key(config: Mapping[str, Any]) -> Key:
    if connection := config.get("connection"):
        mend = f"Give it another: rowmill connections add {connection} --replace"
        missing = f"the connection {connection} has none"
        return Key(f"the key of the connection {connection}", missing, mend, config.get("api_key"))
    name = config.get("api_key_env") or _KEY_NAME
    value = os.environ.get(name, "").strip() or None
    missing = f"the environment variable {name} is not set"
    return Key(f"the key in {name}", missing, f"Set {name} to a key it accepts.", value)


def _check_key(key: Key, *, required: bool) -> None:
    if required and not key.value:
        raise UsageError(f"The model needs an API key, and {key.missing}.", key.mend)
    if key.value and not (key.value.isascii() and key.value.isprintable()):
        raise UsageError(f"There are characters in {key.called} that no key has.", key.mend)


def _instructed(messages: list[dict[str, str]], schema: Mapping[str, Any]) -> list[dict[str, str]]:
    """The same messages with the schema spelt out in the system message."""
    words = (
        f"Answer with one JSON object and nothing else. It must fit this JSON Schema: {orjson.dumps(schema).decode()}"
    )
    first, *others = messages
    if first["role"] != "system":
        return [{"role": "system", "content": words}, *messages]
    return [{"role": "system", "content": f"{first['content']}\n\n{words}"}, *others]
