# SPDX-License-Identifier: Apache-2.0
"""Traces by OpenTelemetry: one span per use case, job, event and broadcast. Carries ids, never personal data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace

from muniment.infra.logging import redact

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_tracer = trace.get_tracer("muniment")


def configure_telemetry(*, service: str, exporter: SpanExporter | None) -> TracerProvider | None:
    """Send spans to `exporter` in batches; None leaves tracing off, which then costs nothing. Call once per process."""
    if exporter is None:
        return None
    # Only who exports pays for the exporter's library: a command is over in less time than it takes to load.
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


@contextmanager
def span(name: str, **facts: str | int | bool) -> Iterator[None]:
    """Record how long the block takes under `name`; facts pass the same redaction as logs."""
    with _tracer.start_as_current_span(name, attributes=dict(redact(None, "", dict(facts))), record_exception=False):
        yield
