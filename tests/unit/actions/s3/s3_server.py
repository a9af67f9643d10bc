"""S3 as moto serves it, one request at a time, with a record of its requests, and with faults on order."""

import contextlib
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

KEYS = "AKIAEXAMPLE0001:sk/9f3b61c7aa52d0e4b1c8"
SECRET = KEYS.partition(":")[2]
BUCKET = "example"


class S3Server:
    """One server with one bucket that keeps all versions. `fault(environ)` returns the status of a request that fails, else None."""

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=False, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.requests: list[str] = []
        self.fault: Callable[[str], int | None] = lambda _request: None
        self.change: Callable[[bytes], bytes] = lambda data: data
        with urllib.request.urlopen(f"{self.endpoint}/moto-api/reset", data=b""):
            pass  # its memory is that of the process
        access, secret = KEYS.split(":")
        self.client: Any = boto3.session.Session().client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
        )
        self.client.create_bucket(Bucket=BUCKET)
        self.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.requests.clear()

    def _serve(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        query = sorted(parse_qs(environ["QUERY_STRING"], keep_blank_values=True))
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].removeprefix(f'/{BUCKET}/')} {','.join(query)}"
        self.requests.append(request.strip())
        status = self.fault(request.strip())
        if status is not None:
            start(f"{status} Fault", [("content-length", "0")])
            return [b""]
        answer = self._app(environ, start)
        if environ["REQUEST_METHOD"] != "GET":
            return answer
        return [self.change(b"".join(answer))]

    def sent(self) -> list[str]:
        """Return the requests that change something."""
        return [request for request in self.requests if request.partition(" ")[0] in ("PUT", "POST", "DELETE")]

    def put(self, key: str, data: bytes) -> None:
        """Put an object as another program would."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def put_inside(self, key: str, data: bytes) -> None:
        """Put an object while a request is served."""
        s3_backends["123456789012"]["aws"].put_object(BUCKET, key, data)

    def read(self, key: str) -> bytes:
        """Return an object."""
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def versions(self, key: str) -> int:
        """Count how often an object was written."""
        found = self.client.list_object_versions(Bucket=BUCKET, Prefix=key)
        return sum(version["Key"] == key for version in found.get("Versions", ()))

    def uploads(self) -> int:
        """Count the unfinished uploads."""
        return len(self._list_upload_keys())

    def forgotten_uploads(self) -> int:
        """Count the unfinished uploads of objects that are there."""
        keys = set(self.list_keys())
        return sum(key in keys for key in self._list_upload_keys())

    def _list_upload_keys(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads") or ()
        return [upload["Key"] for upload in found]

    def list_keys(self) -> list[str]:
        """Return the keys of all objects."""
        return [found["Key"] for found in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def close(self) -> None:
        """End the server."""
        self.client.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def serving_s3() -> Iterator[S3Server]:
    server = S3Server()
    try:
        yield server
    finally:
        server.close()
