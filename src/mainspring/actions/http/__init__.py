"""HTTP actions: requests, polls, downloads and pages that are safe to run twice, and reach public addresses only.

from mainspring.actions import http

http.request("POST", "https://api.example.com/orders", json=order, once="order:7", keyed=True)
"""

from mainspring.actions.http.calls import delete, get, post, put, request, request_async
from mainspring.actions.http.downloads import DownloadedFile, download, download_async
from mainspring.actions.http.errors import (
    HttpAddressError,
    HttpBodyError,
    HttpCertificateError,
    HttpConnectionError,
    HttpInProgressError,
    HttpLimitError,
    HttpNotSentError,
    HttpPollError,
    HttpRedirectError,
    HttpStatusError,
    HttpTimeoutError,
)
from mainspring.actions.http.pages import paginate, paginate_async
from mainspring.actions.http.polls import poll, poll_async
from mainspring.actions.http.reply import HttpReply
from mainspring.actions.http.resources import ensure, ensure_async

__all__ = [
    "DownloadedFile",
    "HttpAddressError",
    "HttpBodyError",
    "HttpCertificateError",
    "HttpConnectionError",
    "HttpInProgressError",
    "HttpLimitError",
    "HttpNotSentError",
    "HttpPollError",
    "HttpRedirectError",
    "HttpReply",
    "HttpStatusError",
    "HttpTimeoutError",
    "delete",
    "download",
    "download_async",
    "ensure",
    "ensure_async",
    "get",
    "paginate",
    "paginate_async",
    "poll",
    "poll_async",
    "post",
    "put",
    "request",
    "request_async",
]
