"""A meter that keeps counts and times in the process's memory, in a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from .meter import Meter
from .standing import Standing

_REQUESTS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_HOOKS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0)
_WRITES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Whoever asks may write any word in a method's place: others are counted as one."""


class PrometheusMeter(Meter):
    """Names and labels are described in the operator's manual, and stay."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "assigntask_http_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self._request_seconds = Histogram(
            "assigntask_http_request_seconds",
            "From a request to the end of its answer.",
            ("method", "route"),
            registry=registry,
            buckets=_REQUESTS,
        )
        self._calls = Counter("assigntask_hook_calls", "Hooks called.", ("app", "hook", "outcome"), registry=registry)
        self._call_seconds = Histogram(
            "assigntask_hook_seconds", "Of a hook's call.", ("app", "hook"), registry=registry, buckets=_HOOKS
        )
        self._attempts = Counter(
            "assigntask_delivery_attempts", "Attempts at deliveries.", ("hook", "outcome"), registry=registry
        )
        self._tokens = Counter(
            "assigntask_tokens_given",
            "Answers of the token endpoint that gave one.",
            ("grant_type",),
            registry=registry,
        )
        self._writes = Histogram(
            "assigntask_database_write_seconds",
            "Of a unit of work, from asking to commit.",
            registry=registry,
            buckets=_WRITES,
        )
        self._standings = _Standings()
        registry.register(self._standings)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._request_seconds.labels(known, route).observe(seconds)

    def called(self, app: str, hook: str, outcome: str, seconds: float) -> None:
        self._calls.labels(app, hook, outcome).inc()
        self._call_seconds.labels(app, hook).observe(seconds)

    def attempted(self, hook: str, end: str) -> None:
        self._attempts.labels(hook, end).inc()

    def gave_token(self, grant_type: str) -> None:
        self._tokens.labels(grant_type).inc()

    def wrote(self, seconds: float) -> None:
        self._writes.observe(seconds)

    def page(self, standing: Standing | None, accept: str = "") -> tuple[bytes, str]:
        """All of it as text, and of which media type. `standing`: None where the database could not be read."""
        self._standings.latest = standing
        encode, media = choose_encoder(accept)
        return encode(self._registry), media


class _Standings:
    """Gives the registry what was read last."""

    def __init__(self) -> None:
        self.latest: Standing | None = None

    def collect(self) -> Iterator[Metric]:
        read = self.latest
        yield _gauge("assigntask_database_readable", "Whether what follows could be read.", int(read is not None))
        if read is None:
            return
        yield _gauge("assigntask_deliveries_waiting", "Deliveries that wait.", read.waiting)
        yield _gauge("assigntask_deliveries_oldest_seconds", "How long the oldest of them waits.", read.oldest)
        yield _gauge("assigntask_deliveries_dead", "Deliveries that were given up.", read.dead)
        yield _gauge("assigntask_breakers_open", "Hooks that are left alone.", read.breakers)
        yield CounterMetricFamily("assigntask_ledger_entries", "Entries of the ledger.", value=read.entries)
        yield _gauge("assigntask_ledger_unsealed", "Entries without their place in the tree.", read.unsealed)
        yield _gauge("assigntask_ledger_seal_lag_seconds", "The age of the oldest of them.", read.seal_lag)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)
