"""Takes passwords and tokens out of text that is about to be shown: a place or a tracking server may carry one."""

from __future__ import annotations

import re

_HIDDEN = "***"
# user:password@ of a URI, and the query parameters that object stores and databases take secrets in.
_SECRETS = (
    (re.compile(r"(?<=://)[^/\s@'\"]*:[^/\s'\"]*@"), f"{_HIDDEN}@"),
    (
        re.compile(r"(?i)([?&;](?:sig|signature|token|password|pwd|secret|accesskey|access_key|credential)\w*=)[^&;\s'\"]+"),
        rf"\1{_HIDDEN}",
    ),
)  # fmt: skip


def without_secrets(text: str) -> str:
    """The text with the secrets of its URIs hidden.

    >>> without_secrets("cannot reach postgresql://anna:geheim@db/runs?token=x1")
    'cannot reach postgresql://***@db/runs?token=***'
    """
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return text
