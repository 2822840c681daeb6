"""Takes passwords and tokens out of text that is about to be shown: a place or a tracking server may carry one."""

from __future__ import annotations

import re
from typing import Any

_HIDDEN = "***"
_SECRETS = (
    # user:password@, and before a web host a token alone; the last @ ends it, as a password may hold one, or a /.
    (
        re.compile(r"(?<=://)[^\s/@:]*:[^\s]*@(?=[\w.\[-])|(?<=https://)[^\s/@:]+@|(?<=http://)[^\s/@:]+@"),
        f"{_HIDDEN}@",
    ),
    # Query parameters and key=value settings whose name speaks of a secret.
    (
        re.compile(r"(?i)([\w.-]*(?:sig|token|passw|pwd|secret|api_?key|accesskey|credential)[\w.-]*=)[^&;,\s'\")]+"),
        rf"\1{_HIDDEN}",
    ),
)


def hidden(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the secrets in their words hidden, to be kept in a file or shown by a server."""
    return {name: without_secrets(value) if isinstance(value, str) else value for name, value in settings.items()}


def without_secrets(text: str) -> str:
    """The text with the secrets of its URIs hidden.

    >>> without_secrets("cannot reach postgresql://anna:ge/heim@db/runs?token=x1")
    'cannot reach postgresql://***@db/runs?token=***'
    >>> without_secrets("s3://bucket/x?X-Amz-Signature=ab12&list=1")
    's3://bucket/x?X-Amz-Signature=***&list=1'
    """
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return text
