"""What httpx raises, as errors of ours.

::

    httpx.HTTPError, InvalidURL, StreamError   NetworkProtocol
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.remotes.endpoints import without_secrets


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Translate the errors of requests to a URL.

    :raises NetworkProtocol: for each of them
    """
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as exc:
        raise NetworkProtocol(f"{_explain(exc)}, while accessing {without_secrets(url)}") from exc


def _explain(error: Exception) -> str:
    if (tls := _tls_error(error)) is not None:
        if isinstance(tls, ssl.SSLCertVerificationError):
            return f"The certificate of the server is not trusted ({tls.verify_message})"
        return f"TLS fails ({tls.reason or tls})"
    text = str(error)
    match error:
        case httpx.ConnectTimeout():
            return "The server cannot be reached in time"
        case httpx.PoolTimeout():
            return "Too many requests are under way"
        case httpx.TimeoutException():
            return "The server does not answer in time"
        case httpx.ProxyError():
            return f"The proxy refuses ({text})"
        case httpx.ConnectError():
            return f"The server cannot be reached ({text})"
        case httpx.NetworkError():
            return f"The connection is lost ({text or type(error).__name__})"
        case httpx.RemoteProtocolError():
            return f"The server does not speak HTTP to its end ({text})"
        case httpx.DecodingError():
            return "The answer is not encoded as it says"
        case _:
            return f"The request cannot be made ({text or type(error).__name__})"


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
