import subprocess
import sys
import urllib.error
import urllib.request

import pytest


def test_it_runs_as_a_process_and_prints_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    command = [sys.executable, "-m", "rowmill.testing.model_server", "--answer", "yes"]
    faults = ["--fail-every", "2", "--status", "429", "--header", "Retry-After: 3"]
    with subprocess.Popen([*command, *faults], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            ask = urllib.request.Request(f"{url}/chat/completions", b'{"messages": []}')
            with urllib.request.urlopen(ask) as answer:
                assert b'"yes"' in answer.read()
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(ask)
            caught.value.close()
            assert (caught.value.code, caught.value.headers["Retry-After"]) == (429, "3")
        finally:
            process.kill()
        assert process.communicate()[1] == ""
