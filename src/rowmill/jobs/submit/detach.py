"""Whether a job can be left to another process, which knows neither this shell's variables nor its directory."""

import importlib.util
import os
import sysconfig
from pathlib import Path

from rowmill.core.errors import UsageError
from rowmill.core.job import Step


def check_detachable(step: Step) -> None:
    """Raises ``UsageError`` with the reason where ``step`` needs what exists only in this shell."""
    if step.processor == "python":
        _check_module(step.config["function"].partition(":")[0])
    elif step.processor == "http":
        if any("${" in value for value in step.config.get("headers", {}).values()):
            raise UsageError(
                "A header holds what exists only in this shell, so that the job cannot be left to another process.",
                "Run it without --detach.",
            )
    elif step.processor == "prompt" and step.connection is None and step.config.get("provider") != "local":
        name = (step.config.get("provider_config") or {}).get("api_key_env") or "OPENAI_API_KEY"
        if os.environ.get(name):
            raise UsageError(
                f"The key in {name} exists only in this shell, so that the job cannot be left to another process.",
                "Run it without --detach.",
            )


def _check_module(module: str) -> None:
    spec = importlib.util.find_spec(module.partition(".")[0])
    places = {Path(path).resolve() for path in sysconfig.get_paths().values()}
    origin = Path(spec.origin).resolve() if spec and spec.origin else None
    if origin is None or not any(place in origin.parents for place in places):
        raise UsageError(
            f"The module {module} is not installed but lies in this directory, where another process does not look.",
            "Install it as a package, or run without --detach.",
        )
