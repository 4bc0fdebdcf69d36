"""``rowmill serve``: the API, with a worker beside it."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from rowmill.cli.worker import serve_extra, worker_options
from rowmill.core.errors import UsageError
from rowmill.plugins.registry import load, names


class Size(click.ParamType[int, int]):
    """A number of bytes, with or without a unit."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d+)\s*(?:([KMGT])(I?))?B?", str(value).strip().upper())
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is no size.", param, ctx)
        power = " KMGT".index(found[2] or " ")
        return int(found[1]) * int((1024 if found[3] else 1000) ** power)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer at; any but this machine's "
              "own needs a token first.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8642, show_default=True, help="0 takes a free one.")
@click.option("--no-worker", is_flag=True, help="Start no worker; others, such as `rowmill worker`, do the work.")
@click.option("--allow-python", "python", metavar="MODULE:FUNCTION", multiple=True,
              help="A Python function that jobs made through the API may use. Repeatable.")  # fmt: skip
@click.option("--allow-path", "paths", metavar="DIR", multiple=True,
              type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A directory that imports may read from and exports write to. Repeatable.")  # fmt: skip
@click.option("--allow-url", "urls", metavar="URL", multiple=True,
              help="The beginning of URLs that imports may read from and exports write to. Repeatable.")  # fmt: skip
@click.option("--allow-env", "variables", metavar="NAME", multiple=True,
              help="A variable of the environment that HTTP headers may name. Repeatable.")  # fmt: skip
@click.option("--allow-private", is_flag=True, help="Let HTTP steps and webhooks reach private addresses.")
@click.option("--allow-host", "hosts", metavar="NAME", multiple=True,
              help="A name by which the server is reached, besides its addresses. Repeatable.")  # fmt: skip
@click.option("--cors", "origins", metavar="ORIGIN", multiple=True,
              help="An origin whose pages may call the API from a browser. Repeatable.")  # fmt: skip
@click.option("--max-upload", type=Size(), default="10GB", show_default=True, metavar="SIZE",
              help="The largest file that is taken: bytes, or such as 500MB.")  # fmt: skip
@worker_options
def serve(
    *,
    host: str,
    port: int,
    no_worker: bool,
    python: tuple[str, ...],
    paths: tuple[Path, ...],
    urls: tuple[str, ...],
    variables: tuple[str, ...],
    allow_private: bool,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    max_upload: int,
    jobs: int,
    grace: float,
    log_format: str,
    log_level: str,
) -> int:
    """Serve the HTTP API until Ctrl-C or SIGTERM, and start a worker beside it that takes up jobs."""
    with serve_extra():
        from rowmill.api.server import Options  # noqa: PLC0415 - FastAPI is an extra, and slow to import
        from rowmill.api.server import serve as serve_api  # noqa: PLC0415 - likewise
        from rowmill.http.policy import Policy  # noqa: PLC0415 - likewise
        from rowmill.worker.logs import configure  # noqa: PLC0415 - likewise
        from rowmill.worker.main import WorkerOptions  # noqa: PLC0415 - likewise
    configure(log_format, log_level)
    here = (str(Path.cwd()),)
    for function in python:
        load("processors", "python")({"function": function, "path": here}, {})  # which imports it
    policy = Policy(
        python, tuple(map(_variable, variables)), paths, tuple(map(_url, urls)), allow_private, max_upload=max_upload,
        python_path=here,
    )  # fmt: skip
    options = Options(
        host, port, WorkerOptions(jobs, grace, log_format, log_level), no_worker=no_worker, policy=policy,
        hosts=frozenset(map(_host, hosts)), origins=frozenset(map(_origin, origins)),
    )  # fmt: skip
    return serve_api(options, lambda sentence: click.echo(sentence, err=True))


def _url(text: str) -> str:
    """Raises ``UsageError`` for what no URL that may be fetched from or put to can begin with."""
    scheme, between, _ = text.partition("://")
    known = names("storage")
    if not between or scheme.lower() not in known:
        raise UsageError(f"--allow-url {text!r} begins no URL that tables come from.", f"Known are {', '.join(known)}.")
    try:
        host = urlsplit(text).hostname
    except ValueError:  # half a bracket
        host = None
    if not host:
        raise UsageError(f"--allow-url {text!r} names no host.", f"Write it as {scheme}://HOST/PATH.")
    return text


def _variable(text: str) -> str:
    """Raises ``UsageError`` for what no variable is called."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise UsageError(f"--allow-env {text!r} is no name of a variable.", "Give the name alone, such as API_TOKEN.")
    return text


def _host(text: str) -> str:
    """Raises ``UsageError`` for what no browser takes for the name of a host."""
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", text):
        hint = "Give the name alone, without https:// and a port, such as rowmill.example.com."
        raise UsageError(f"--allow-host {text!r} is no name of a host.", hint)
    return text.lower()


def _origin(text: str) -> str:
    """Raises ``UsageError`` for what no browser sends as an origin."""
    scheme, between, rest = text.partition("://")
    if not between or not rest or "/" in rest or scheme not in ("http", "https"):
        raise UsageError(f"{text!r} is no origin.", "Write it as https://HOST or https://HOST:PORT.")
    return text.lower()
