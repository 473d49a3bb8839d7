"""The metrics and the health pages, for Prometheus and for whoever restarts a stuck process.

The daemon only replaces a reference; all the work is done by the thread that answers (``keeper.web.listener``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric as MetricFamily
from prometheus_client.registry import Collector

from keeper.monitoring.daemon_state import DaemonState, Verdict, alive, ready
from keeper.monitoring.metrics import METRICS, Metric
from keeper.runtime.logs import logger

PLAIN = "text/plain; charset=utf-8"

CurrentState = Callable[[], DaemonState]
Clock = Callable[[], float]
Page = tuple[HTTPStatus, str, bytes]


class StateCollector(Collector):
    """Makes the metrics when they are asked for."""

    def __init__(self, state: CurrentState) -> None:
        self._state = state

    def collect(self) -> Iterable[MetricFamily]:
        state = self._state()
        return [_family(metric, state) for metric in METRICS]

    def describe(self) -> Iterable[MetricFamily]:
        return [_family(metric, DaemonState()) for metric in METRICS]


def _family(metric: Metric, state: DaemonState) -> MetricFamily:
    kind = CounterMetricFamily if metric.counts else GaugeMetricFamily
    family = kind(metric.full_name, metric.meaning, labels=metric.labels)
    for labels, value in metric.samples(state):
        family.add_metric(labels, value)
    return family


class Pages:
    """What each path answers. ``state`` and ``now`` are asked at each request."""

    def __init__(self, state: CurrentState, now: Clock) -> None:
        self._state = state
        self._now = now
        self._log = logger()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(StateCollector(state))
        ProcessCollector(registry=self._registry)

    def answer(self, path: str) -> Page:
        """Status, content type and body. A bug in a reading is logged and answered: it must not end the thread."""
        try:
            return self._page(path)
        except Exception:  # noqa: BLE001 -- logged, and answered as an error of the server
            self._log.exception("metrics_failed", path=path)
            return (
                HTTPStatus.INTERNAL_SERVER_ERROR,
                PLAIN,
                b"the metrics cannot be read; see the keeper's log\n",
            )

    def _page(self, path: str) -> Page:
        pages = {"/metrics": self._metrics, "/healthz": self._alive, "/readyz": self._ready}
        page = pages.get(path.partition("?")[0])
        if page is None:
            return HTTPStatus.NOT_FOUND, PLAIN, f"{', '.join(pages)}\n".encode()
        return page()

    def _metrics(self) -> Page:
        return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self._registry)

    def _alive(self) -> Page:
        return _health_page(alive(self._state(), self._now()))

    def _ready(self) -> Page:
        return _health_page(ready(self._state(), self._now()))


def _health_page(verdict: Verdict) -> Page:
    status = HTTPStatus.OK if verdict.passed else HTTPStatus.SERVICE_UNAVAILABLE
    body = json.dumps({"ok": verdict.passed, "reason": verdict.reason})
    return status, "application/json", f"{body}\n".encode()
