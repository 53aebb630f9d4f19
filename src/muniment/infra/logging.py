# SPDX-License-Identifier: Apache-2.0
"""Structured logs as JSON lines on standard output, with request ids and without personal data, keys or passwords. Decides nothing."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

REDACTED = "[redacted]"

# Parts of names, compared with each word of a field's name: `holder_email`, `api_key` and `X-CSRF-Token` are all caught.
# fmt: off
SECRET_WORDS = frozenset((
    "password", "passphrase", "secret", "token", "authorization", "cookie", "csrf", "credential",
    "credentials", "mnemonic", "seed", "otp", "key", "apikey", "email", "mail", "phone", "telephone", "birth",
    "birthday", "dob", "passport", "iban", "ssn", "tin", "tax", "name", "surname", "firstname", "lastname",
    "fullname", "street", "postal", "postcode", "zip", "plaintext", "body", "raw", "payload",
))
# fmt: on
# Names that hold one of those words and are no secret: our own vocabulary.
HARMLESS_FIELDS = frozenset(
    {
        "token_address",
        "payment_token",
        "event_name",
        "job_name",
        "logger_name",
        "thread_name",
        "consumer_name",
        "file_name",
        "route_name",
        "setting_name",
    }
)

_URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://(?:[^\s/@'\"]*@)?([^\s/?#'\"]*)[^\s'\"]*", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE)
_ASSIGNED = re.compile(r"\b(password|passwd|pwd|token|secret|api[_-]?key|private[_-]?key|authorization)(\s*[=:]\s*)\S+", re.IGNORECASE)
# PostgreSQL quotes the offending row in these lines ("Key (email)=(…) already exists").
_DATABASE_DETAIL = re.compile(r"^(DETAIL|HINT|CONTEXT|LINE \d+|\[SQL|\[parameters)\b.*$", re.MULTILINE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")

TEXT_CHARACTERS_MAX = 2000


def configure_logging(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Send our logs and every library's to `stream` (standard output) as JSON lines; call once at the start of a process."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        describe_exception,
        redact,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        )
    )
    handler.addFilter(_without_job_arguments)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # These write URLs, SQL parameters or job arguments at lower levels.
    for name in ("httpx", "httpcore", "sqlalchemy", "procrastinate", "psycopg", "asyncio", "urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Its access lines hold paths and client addresses; we write our own.
    logging.getLogger("uvicorn.access").disabled = True


def _without_job_arguments(record: logging.LogRecord) -> bool:
    """Reduce procrastinate's lines, which quote every argument of a job, to what happened; failures of jobs we log ourselves."""
    if record.name.split(".", 1)[0] != "procrastinate":
        return True
    action = str(getattr(record, "action", "said something"))
    record.msg, record.args, record.exc_info = f"procrastinate: {action}", (), None
    return action not in ("job_error", "job_error_retry", "job_aborted")


@contextmanager
def log_context(**fields: Any) -> Iterator[None]:
    """Add fields such as `request_id` or `tenant_id` to every line that this thread or task logs inside."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def redact(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what must not be logged: values of telling names, credentials in URLs, e-mail addresses, bytes."""
    return {key: value if key in _OWN_FIELDS else _safe(key, value) for key, value in line.items()}


_OWN_FIELDS = frozenset({"_record", "_from_structlog", "exception", "level", "at"})


def describe_exception(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Turn `exc_info` into type, redacted message and places in the code; never values of variables or statement parameters."""
    info = line.pop("exc_info", None)
    if not info:
        return line
    error = info if isinstance(info, BaseException) else (info[1] if isinstance(info, tuple) else sys.exc_info()[1])
    if error is not None:
        line["exception"] = exception_as_json(error)
    return line


def exception_as_json(error: BaseException) -> dict[str, Any]:
    """Return an exception for the log: its type, its redacted message, where it was raised, and its cause."""
    description: dict[str, Any] = {
        "type": type(error).__name__,
        "message": safe_text(str(error)),
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)][-12:],
    }
    code = getattr(error, "code", None)
    if isinstance(code, str):
        description["code"] = code
    if error.__cause__ is not None:
        description["cause"] = exception_as_json(error.__cause__)
    return description


def safe_text(text: str) -> str:
    """Return text without credentials, paths of URLs (they may hold a key), e-mail addresses and rows quoted by the database."""
    text = _DATABASE_DETAIL.sub("", text)
    text = _URL.sub(r"\1://\2", text)
    text = _EMAIL.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _ASSIGNED.sub(rf"\1\2{REDACTED}", text)
    return text.strip()[:TEXT_CHARACTERS_MAX]


def _safe(key: str, value: Any) -> Any:
    if _is_secret(key):
        return REDACTED
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, Mapping):
        return {str(inner): _safe(str(inner), item) for inner, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_safe("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return safe_text(str(value))


def _is_secret(field: str) -> bool:
    if field in HARMLESS_FIELDS:
        return False
    return any(word.lower() in SECRET_WORDS for word in _WORD.findall(field))
