"""What the service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class Metrics:
    """The numbers of one service.

    Attributes:
        streams: open now.
        closed: connections that ended, by the close code that they were given; `client` where they went by themselves.
        latency: from a message's arrival in the service to its answer.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.streams = Gauge("serve_streams_open", "Streams that are open.", registry=registry)
        self.closed = Counter("serve_closed", "Connections that ended.", ["code"], registry=registry)
        self.latency = Histogram(
            "serve_latency_seconds", "From a message to its answer.", buckets=SECONDS, registry=registry
        )
        self._batches = Histogram(
            "serve_batch_streams",
            "Streams that a batch advanced.",
            buckets=[2**n for n in range(11)],
            registry=registry,
        )
        self._seconds = Histogram("serve_batch_seconds", "What a batch took.", buckets=SECONDS, registry=registry)

    def batch(self, streams: int, seconds: float) -> None:
        """Count a batch."""
        self._batches.observe(streams)
        self._seconds.observe(seconds)

    def text(self) -> bytes:
        """All of it, in Prometheus' format."""
        return generate_latest(self._registry)
