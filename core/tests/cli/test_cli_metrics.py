"""`serve --metrics`: measured from outside, on a port of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assigntask.cli.sockets import taken_at
from assigntask.errors import HostError
from assigntask.settings import place_of

PROGRAM = str(Path(sys.executable).parent / "assigntask")
PATIENCE = 60.0


def get(url: str) -> tuple[int, Any, str]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def test_a_served_host_is_measured_beside_its_public_port_and_says_that_it_is_ready(quick_house: Any) -> None:
    words = [PROGRAM, "serve", "--port", "0", "--metrics", "127.0.0.1:0", "--json"]
    environ = {**os.environ, **quick_house.environ, "ASSIGNTASK_LOG": "json"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "}\n")
            told = json.loads("".join(lines) + "}")
            public, metrics = told["url"], told["metrics_url"]
            assert urlsplit(public).port != urlsplit(metrics).port
            assert get(f"{public}/health/ready")[::2] == (200, '{"status":"ready"}')
            assert get(f"{public}/metrics")[0] == 404
            assert get(f"{metrics.removesuffix('/metrics')}/health/ready")[0] == 404
            status, headers, text = get(metrics)
            assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
            found = {
                (sample.name, sample.labels.get("route", "")): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if not sample.name.endswith("_bucket")
            }
            assert found["assigntask_http_requests_total", "/health/ready"] == 1
            assert found["assigntask_http_requests_total", "unknown"] == 1
            assert found["assigntask_database_readable", ""] == 1
            assert found["assigntask_database_write_seconds_count", ""] >= 1
            process.send_signal(signal.SIGTERM)
            rest, errors = process.communicate(timeout=PATIENCE)
            assert (process.returncode, rest) == (0, "")
            assert all(json.loads(line)["level"] for line in errors.splitlines())
        finally:
            process.kill()


@pytest.mark.parametrize(
    "place", ["127.0.0.1", ":9090", "127.0.0.1:", "127.0.0.1:99999", "a@b:1", "127.0.0.1:1/x", "["]
)
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(HostError) as refused:
        place_of(place)
    assert refused.value.code == "setting_invalid"
    assert "ASSIGNTASK_METRICS" in refused.value.message


def test_a_place_may_be_one_of_version_6() -> None:
    assert place_of("[::1]:9090") == ("::1", 9090)
    assert place_of("localhost:9090") == ("localhost", 9090)


def test_a_taken_port_is_said_with_the_option_that_chooses_another() -> None:
    with taken_at("127.0.0.1", 0, option="--metrics") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostError) as refused, taken_at("127.0.0.1", port, option="--metrics"):
            pass
    assert refused.value.code == "port_in_use"
    assert f"--metrics 127.0.0.1:{port + 1}" in refused.value.message
