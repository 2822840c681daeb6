"""Removes passwords and tokens from text before it is shown. A table's URI or a tracking server's may contain one."""

from __future__ import annotations

import re
from typing import Any

_HIDDEN = "***"
_SECRETS = (
    # user:password@, or only a token before a web host. The last @ ends it, since a password may contain @ or /.
    (
        re.compile(r"(?<=://)[^\s/@:]*:[^\s]*@(?=[\w.\[-])|(?<=https://)[^\s/@:]+@|(?<=http://)[^\s/@:]+@"),
        f"{_HIDDEN}@",
    ),
    # Query parameters and key=value settings whose name suggests a secret.
    (
        re.compile(r"(?i)([\w.-]*(?:sig|token|passw|pwd|secret|api_?key|accesskey|credential)[\w.-]*=)[^&;,\s'\")]+"),
        rf"\1{_HIDDEN}",
    ),
)


def hidden(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with secrets in their text values replaced by ***, fit for a file or a server."""
    return {name: without_secrets(value) if isinstance(value, str) else value for name, value in settings.items()}


def without_secrets(text: str) -> str:
    """The text with the secrets in its URIs replaced by ***.

    >>> without_secrets("cannot reach postgresql://anna:ge/heim@db/runs?token=x1")
    'cannot reach postgresql://***@db/runs?token=***'
    >>> without_secrets("s3://bucket/x?X-Amz-Signature=ab12&list=1")
    's3://bucket/x?X-Amz-Signature=***&list=1'
    """
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return text
