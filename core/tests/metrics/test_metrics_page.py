"""What a monitor reads: a page that parses, with bounded labels, that costs the database little."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assigntask.metrics.page import KEPT_SECONDS, MetricsPage
from assigntask.metrics.prometheus import PrometheusMeter
from assigntask.metrics.standing import Standing

STANDING = Standing(waiting=3, oldest=12.5, dead=2, breakers=1, entries=40, unsealed=5, seal_lag=0.25)
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Reader:
    """Answers how much waits, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def __call__(self) -> Standing:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return STANDING


class Monitor:
    def __init__(self) -> None:
        self.meter, self.read, self.now = PrometheusMeter(), Reader(), 1000.0
        self.page = MetricsPage(self.meter, self.read, monotonic=lambda: self.now)

    async def ask(self, path: str = "/metrics", method: str = "GET", accept: str = "") -> tuple[int, Any, bytes]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "method": method, "headers": [(b"accept", accept.encode())]}
        await self.page(scope, None, send)  # type: ignore[arg-type]
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]

    async def samples(self) -> Samples:
        status, _, body = await self.ask()
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }


def at(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_what_was_counted_and_timed_is_on_the_page_with_its_labels() -> None:
    monitor = Monitor()
    monitor.meter.answered("GET", "/api/v1/tasks/{id}", 200, 0.02)
    monitor.meter.answered("GET", "/api/v1/tasks/{id}", 404, 0.2)
    monitor.meter.called("due-guard", "task_saving", "answered", 0.3)
    monitor.meter.called("due-guard", "task_saving", "hook_timeout", 1.0)
    monitor.meter.attempted("task_changed", "delivered")
    monitor.meter.gave_token("client_credentials")
    monitor.meter.wrote(0.004)
    found = await monitor.samples()
    route = {"method": "GET", "route": "/api/v1/tasks/{id}"}
    assert at(found, "assigntask_http_requests_total", **route, status="404") == 1
    assert at(found, "assigntask_http_request_seconds_count", **route) == 2
    assert at(found, "assigntask_http_request_seconds_bucket", **route, le="0.05") == 1
    hook = {"app": "due-guard", "hook": "task_saving"}
    assert at(found, "assigntask_hook_calls_total", **hook, outcome="hook_timeout") == 1
    assert at(found, "assigntask_hook_seconds_sum", **hook) == pytest.approx(1.3)
    assert at(found, "assigntask_delivery_attempts_total", hook="task_changed", outcome="delivered") == 1
    assert at(found, "assigntask_tokens_given_total", grant_type="client_credentials") == 1
    assert at(found, "assigntask_database_write_seconds_count") == 1
    assert at(found, "process_resident_memory_bytes") > 0


async def test_what_waits_is_read_from_the_database_at_most_every_few_seconds() -> None:
    monitor = Monitor()
    found = await monitor.samples()
    assert at(found, "assigntask_deliveries_waiting") == 3
    assert at(found, "assigntask_deliveries_oldest_seconds") == 12.5
    assert at(found, "assigntask_deliveries_dead") == 2
    assert at(found, "assigntask_breakers_open") == 1
    assert at(found, "assigntask_ledger_entries_total") == 40
    assert at(found, "assigntask_ledger_unsealed") == 5
    assert at(found, "assigntask_ledger_seal_lag_seconds") == 0.25
    monitor.now += KEPT_SECONDS - 0.1
    await monitor.samples()
    assert monitor.read.asked == 1
    monitor.now += 0.1
    await monitor.samples()
    assert monitor.read.asked == 2


async def test_a_database_that_can_not_be_read_is_said_and_the_rest_is_there_all_the_same() -> None:
    monitor = Monitor()
    monitor.read.error = RuntimeError("no")
    monitor.meter.wrote(1.0)
    found = await monitor.samples()
    assert at(found, "assigntask_database_readable") == 0
    assert at(found, "assigntask_database_write_seconds_count") == 1
    assert ("assigntask_deliveries_waiting", frozenset()) not in found


async def test_words_that_a_caller_invents_make_no_series_of_their_own() -> None:
    monitor = Monitor()
    for number in range(50):
        monitor.meter.answered(f"BREW{number}", "unknown", 405, 0.001)
    found = await monitor.samples()
    assert [labels for name, labels in found if name == "assigntask_http_requests_total"] == [
        frozenset({("method", "other"), ("route", "unknown"), ("status", "405")})
    ]


async def test_two_meters_of_one_process_know_nothing_of_each_other() -> None:
    one, other = Monitor(), Monitor()
    one.meter.wrote(1.0)
    assert at(await other.samples(), "assigntask_database_write_seconds_count") == 0


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/metrics", "GET", 200), ("/metrics", "HEAD", 200), ("/metrics", "POST", 405), ("/", "GET", 404)],
)
async def test_nothing_but_the_metrics_is_answered(path: str, method: str, status: int) -> None:
    found, headers, body = await Monitor().ask(path, method)
    assert (found, headers[b"cache-control"]) == (status, b"no-store")
    assert (body == b"") == (method == "HEAD")


async def test_a_monitor_that_asks_for_openmetrics_gets_it() -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    _, headers, body = await Monitor().ask(accept=accept)
    assert headers[b"content-type"].startswith(b"application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
