# SPDX-License-Identifier: Apache-2.0
"""Every line is JSON, carries its request, and holds nothing that must not be read by whoever reads logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra.logging import REDACTED, configure_logging, log_context, safe_text
from muniment.infra.telemetry import span


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, config = list(root.handlers), root.level, structlog.get_config()
    stream = io.StringIO()
    configure_logging(level="debug", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_name_and_request(stream: io.StringIO) -> None:
    with log_context(request_id="r-1", tenant_id=UUID(int=7)):
        structlog.get_logger("sender").info("sender.sent", nonce=5, hash="0xabc")
    structlog.get_logger("sender").info("outside")
    first, second = lines(stream)
    assert first["event"] == "sender.sent" and first["nonce"] == 5 and first["hash"] == "0xabc" and first["logger"] == "sender"
    assert (
        first["request_id"] == "r-1" and first["tenant_id"] == str(UUID(int=7)) and first["level"] == "info" and first["at"].endswith("Z")
    )
    assert "request_id" not in second


@pytest.mark.parametrize(
    "field",
    [
        "password",
        "api_key",
        "apiKey",
        "X-CSRF-Token",
        "session_token",
        "authorization",
        "holder_email",
        "email",
        "date_of_birth",
        "tax_id",
        "full_name",
        "phone",
        "private_key",
        "master_key",
        "iban",
        "raw",
        "Cookie",
    ],
)
def test_a_telling_field_is_redacted_at_any_depth(stream: io.StringIO, field: str) -> None:
    structlog.get_logger("x").info("seen", **{field: "canary", "outer": {"list": [{field: "canary"}]}})
    assert "canary" not in stream.getvalue()
    assert lines(stream)[0][field] == REDACTED


def test_our_own_vocabulary_is_not_redacted(stream: io.StringIO) -> None:
    structlog.get_logger("x").info(
        "seen", job_name="servicing.pay", transaction_id="1", purpose="pay:1", token_address="0x1", block_number=3
    )
    line = lines(stream)[0]
    assert (line["job_name"], line["purpose"], line["token_address"], line["block_number"]) == ("servicing.pay", "pay:1", "0x1", 3)


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach postgresql://owner:canary@db.example.org:5432/muniment?x=1",
        "cannot reach https://mainnet.example.org/v3/canary",
        "cannot reach http://canary@host/",
        "https://host/path?token=canary",
        "mail canary@example.org bounced",
        "Authorization: Bearer canary",
        "password=canary",
        'private_key: "canary"',
        "duplicate key value\nDETAIL:  Key (email)=(canary) already exists.",
        "failed\n[SQL: INSERT INTO x]\n[parameters: {'name': 'canary'}]",
    ],
)
def test_text_loses_credentials_addresses_and_quoted_rows(text: str) -> None:
    assert "canary" not in safe_text(text)


def test_text_keeps_what_helps() -> None:
    assert safe_text("cannot reach https://rpc.example.org:8545/v3/key now") == "cannot reach https://rpc.example.org:8545 now"


def test_an_exception_tells_type_place_and_cause_and_no_values(stream: io.StringIO) -> None:
    def fail(secret_of_jane: str) -> None:
        try:
            raise ValueError(f"mail {secret_of_jane}@example.org")
        except ValueError as error:
            raise RuntimeError("password=canary") from error

    try:
        fail("canary")
    except RuntimeError:
        structlog.get_logger("x").exception("failed")
    line = lines(stream)[0]
    assert "canary" not in stream.getvalue()
    assert line["exception"]["type"] == "RuntimeError" and line["exception"]["cause"]["type"] == "ValueError"
    assert any("test_logging.py" in frame for frame in line["exception"]["frames"])


def test_the_standard_library_writes_the_same_lines(stream: io.StringIO) -> None:
    logging.getLogger("library").warning("connect to %s", "postgresql://u:canary@h/d")
    line = lines(stream)[0]
    assert line["event"] == "connect to postgresql://h" and line["logger"] == "library"


def test_libraries_that_write_addresses_and_parameters_are_quiet(stream: io.StringIO) -> None:
    for name in ("httpx", "sqlalchemy.engine", "psycopg"):
        logging.getLogger(name).info("canary")
    assert stream.getvalue() == ""


def test_the_job_library_tells_what_happened_and_no_argument(stream: io.StringIO) -> None:
    logging.getLogger("procrastinate.worker").error("Job x[1](note='canary') failed", extra={"action": "task_not_found"})
    assert lines(stream)[0]["event"] == "procrastinate: task_not_found" and "canary" not in stream.getvalue()


def test_bytes_are_counted_and_not_shown(stream: io.StringIO) -> None:
    structlog.get_logger("x").info("seen", blob=b"canary")
    assert lines(stream)[0]["blob"] == "[6 bytes]"


@given(
    name=st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789._", min_size=1, max_size=20),
    host=st.sampled_from(["example.org", "mail.example.co.uk"]),
)
def test_no_mail_address_survives(name: str, host: str) -> None:
    assert f"{name}@{host}" not in safe_text(f"to <{name}@{host}>, again {name}@{host}.")


@given(text=st.text(max_size=400))
def test_any_text_can_be_made_safe_twice_over(text: str) -> None:
    assert isinstance(safe_text(safe_text(text)), str)


def test_a_span_costs_nothing_when_no_exporter_is_set() -> None:
    with span("sender broadcast", nonce=1):
        pass
