"""What numbers and names of failures mean: errno, HTTP, SQLSTATE, SQLite, exit codes, cloud codes, classes.

Data only. Classes are named "top-level module.Class", so that no library is imported to know its errors.
Invariant (tested over every entry): nothing about authentication or validation is transient.

Decisions:
- DNS: "no such name" is transient too. A resolver without network answers the same as for a typo, and a typo
  costs only the bounded attempts. Each DNS failure proves that nothing was sent.
- Host or network unreachable is transient, but proves nothing by itself: the kernel also reports it on an
  open connection whose peer was lost after data went out. Raised by a class that only ever connects it is proof.
- A disk that is full is transient: people and clean-up free space.
"""

import errno

from mainspring.domain.verdict import Verdict, permanent, transient, unknown


def _each(names: str, verdict: Verdict) -> dict[str, Verdict]:
    """Return one entry for each of the names."""
    return dict.fromkeys(names.split(), verdict)


def _errnos(names: str, verdict: Verdict) -> dict[int, Verdict]:
    """Return one entry for each name that this platform has."""
    return {getattr(errno, name): verdict for name in names.split() if hasattr(errno, name)}


_AUTH = permanent("auth")
_INVALID = permanent("invalid")
_CONNECTION = transient("connection")
_UNCONNECTED = transient("connection", not_sent=True)
_TIMEOUT = transient("timeout")
_TLS = transient("tls")
_CERTIFICATE = permanent("tls_certificate", not_sent=True)
_THROTTLED = transient("rate_limited")
_INTEGRITY = permanent("integrity")
_BAD_QUERY = permanent("bad_query")
_DATABASE_AWAY = transient("database_unavailable")

ERRNO: dict[int, Verdict] = {
    **_errnos("ECONNREFUSED", transient("connection_refused", not_sent=True)),
    **_errnos("EADDRNOTAVAIL", _UNCONNECTED),
    **_errnos("ECONNRESET ECONNABORTED EPIPE ENETRESET ESHUTDOWN ENOTCONN", _CONNECTION),
    **_errnos("EHOSTUNREACH ENETUNREACH ENETDOWN EHOSTDOWN", transient("unreachable")),
    **_errnos("ETIMEDOUT", _TIMEOUT),
    **_errnos("ENOSPC EDQUOT", transient("disk_full")),
    **_errnos("EAGAIN EWOULDBLOCK EINTR EBUSY ETXTBSY EDEADLK ENOLCK ESTALE EADDRINUSE", transient("busy")),
    **_errnos("EMFILE ENFILE ENOBUFS", transient("resources")),
    **_errnos("ENOENT", permanent("not_found")),
    **_errnos("EACCES EPERM", permanent("permission")),
    **_errnos("EROFS", permanent("read_only")),
    **_errnos("EEXIST ENOTDIR EISDIR ENOTEMPTY ENAMETOOLONG ELOOP EXDEV EFBIG", permanent("file")),
    **_errnos("EINVAL EBADF ENOEXEC ENOTTY ESPIPE E2BIG EDOM ERANGE ENOTSOCK EOPNOTSUPP EAFNOSUPPORT", _INVALID),
}

HTTP: dict[int, Verdict] = {
    401: _AUTH,
    403: _AUTH,
    407: _AUTH,
    408: transient("http_408"),
    425: transient("http_425"),
    429: _THROTTLED,
    501: permanent("http_501"),
    505: permanent("http_505"),
    511: _AUTH,
}

SQLSTATE: dict[str, Verdict] = {
    # Whole states are looked up first, then the class (first two characters).
    "08": _DATABASE_AWAY,
    "08001": transient("database_unavailable", not_sent=True),
    "0A": _BAD_QUERY,
    "21": _BAD_QUERY,
    "22": _INVALID,
    "23": _INTEGRITY,
    "25006": permanent("read_only"),
    "25P03": _TIMEOUT,
    "26": _BAD_QUERY,
    "28": _AUTH,
    "34": _BAD_QUERY,
    "3D": permanent("not_found"),
    "3F": permanent("not_found"),
    "40001": transient("serialization"),
    "40002": _INTEGRITY,
    "40P01": transient("deadlock"),
    "42": _BAD_QUERY,
    "42501": _AUTH,
    "44": _INTEGRITY,
    "53": transient("resources"),
    "53100": transient("disk_full"),
    "54": _BAD_QUERY,
    "55006": transient("locked"),
    "55P03": transient("locked"),
    "57014": _TIMEOUT,
    "57P01": _DATABASE_AWAY,
    "57P02": _DATABASE_AWAY,
    "57P03": _DATABASE_AWAY,
    "57P05": _DATABASE_AWAY,
    "72000": transient("serialization"),
}

SQLITE: dict[int, Verdict] = {  # primary result codes
    1: _BAD_QUERY,
    3: permanent("permission"),
    5: transient("locked"),
    6: transient("locked"),
    8: permanent("read_only"),
    11: permanent("corrupt"),
    13: transient("disk_full"),
    14: permanent("cannot_open"),
    15: transient("locked"),
    17: transient("locked"),
    18: _INVALID,
    19: _INTEGRITY,
    20: _INVALID,
    21: _BAD_QUERY,
    23: _AUTH,
    25: _BAD_QUERY,
    26: permanent("corrupt"),
}

MYSQL: dict[int, Verdict] = {
    **dict.fromkeys((1044, 1045, 1142, 1227, 1698), _AUTH),
    **dict.fromkeys((1205, 1213), transient("locked")),
    **dict.fromkeys((1040, 1053, 1203, 2006, 2013), _DATABASE_AWAY),
    **dict.fromkeys((2002, 2003, 2005), transient("database_unavailable", not_sent=True)),
    **dict.fromkeys((1048, 1062, 1451, 1452), _INTEGRITY),
    **dict.fromkeys((1049, 1054, 1064, 1146), _BAD_QUERY),
}

TLS_REASONS: dict[str, Verdict] = {
    # Of an alert the words behind "_ALERT_". What is left out is transient: ends of connections, records that cannot be read.
    **_each(
        "CERTIFICATE_REQUIRED BAD_CERTIFICATE UNKNOWN_CA CERTIFICATE_EXPIRED CERTIFICATE_REVOKED CERTIFICATE_UNKNOWN "
        "UNSUPPORTED_CERTIFICATE ACCESS_DENIED NO_CERTIFICATE UNKNOWN_PSK_IDENTITY",
        _AUTH,
    ),
    **_each(
        "WRONG_VERSION_NUMBER UNSUPPORTED_PROTOCOL PROTOCOL_VERSION HANDSHAKE_FAILURE NO_SHARED_CIPHER NO_CIPHERS_AVAILABLE "
        "NO_PROTOCOLS_AVAILABLE HTTP_REQUEST UNRECOGNIZED_NAME INSUFFICIENT_SECURITY DH_KEY_TOO_SMALL EE_KEY_TOO_SMALL CA_MD_TOO_WEAK",
        permanent("tls_protocol"),
    ),
}

EXIT: dict[int, Verdict] = {
    **dict.fromkeys(range(64, 79), permanent("exit_refused")),  # sysexits.h
    75: transient("exit_temporary"),
    77: _AUTH,
    124: _TIMEOUT,
    126: permanent("not_executable"),
    127: permanent("command_not_found"),
}

CLOUD: dict[str, Verdict] = {
    **_each(
        "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException SlowDown "
        "TooManyRequestsException ProvisionedThroughputExceededException RequestLimitExceeded "
        "BandwidthLimitExceeded EC2ThrottledException PriorRequestNotComplete LimitExceededException",
        _THROTTLED,
    ),
    **_each("RequestTimeout RequestTimeoutException", _TIMEOUT),
    **_each(
        "InternalError InternalFailure InternalServerError InternalServiceError ServiceUnavailable "
        "ServiceUnavailableException TransactionInProgressException Unavailable",
        transient("unavailable"),
    ),
    **_each(
        "AccessDenied AccessDeniedException UnauthorizedOperation UnrecognizedClientException AuthFailure "
        "InvalidClientTokenId InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken ExpiredTokenException "
        "MissingAuthenticationToken MissingAuthenticationTokenException IncompleteSignature OptInRequired "
        "AccountProblem NotAuthorized NotAuthorizedException TokenRefreshRequired RequestExpired",
        _AUTH,
    ),
    **_each("ValidationError ValidationException InvalidParameterValue MalformedQueryString", _INVALID),
    **_each("NoSuchBucket NoSuchKey ResourceNotFoundException", permanent("not_found")),
    **_each("ConditionalCheckFailedException", permanent("conflict")),
    **_each("TransactionConflictException OperationAborted ConcurrentModificationException", transient("conflict")),
}

GRPC: dict[str, Verdict] = {
    **_each("UNAVAILABLE ABORTED", transient("unavailable")),
    **_each("DEADLINE_EXCEEDED", _TIMEOUT),
    **_each("RESOURCE_EXHAUSTED", _THROTTLED),
    **_each("UNAUTHENTICATED PERMISSION_DENIED", _AUTH),
    **_each("INVALID_ARGUMENT OUT_OF_RANGE FAILED_PRECONDITION ALREADY_EXISTS UNIMPLEMENTED DATA_LOSS", _INVALID),
    **_each("NOT_FOUND", permanent("not_found")),
}

_DATABASES = ("sqlite3", "psycopg", "psycopg2", "asyncpg", "pymysql", "MySQLdb", "mysql", "oracledb", "apsw")

CLASSES: dict[str, Verdict] = {
    **_each("builtins.ConnectionRefusedError", transient("connection_refused", not_sent=True)),
    **_each("builtins.ConnectionError asyncio.IncompleteReadError", _CONNECTION),
    **_each("http.IncompleteRead http.BadStatusLine", _CONNECTION),
    **_each("builtins.TimeoutError asyncio.TimeoutError concurrent.TimeoutError subprocess.TimeoutExpired", _TIMEOUT),
    **_each("socket.gaierror socket.herror", transient("dns", not_sent=True)),
    **_each("ssl.SSLCertVerificationError ssl.CertificateError", _CERTIFICATE),
    **_each("ssl.SSLError", _TLS),
    **_each("builtins.FileNotFoundError", permanent("not_found")),
    **_each("builtins.PermissionError", permanent("permission")),
    **_each("builtins.FileExistsError builtins.IsADirectoryError builtins.NotADirectoryError", permanent("file")),
    **_each("builtins.BlockingIOError builtins.InterruptedError", transient("busy")),
    **_each("builtins.ValueError builtins.TypeError builtins.LookupError builtins.AssertionError", _INVALID),
    **_each("builtins.AttributeError builtins.NameError builtins.NotImplementedError", permanent("bug")),
    **_each("builtins.ImportError builtins.SyntaxError builtins.ArithmeticError", permanent("bug")),
    **_each("builtins.RecursionError http.ImproperConnectionState", permanent("bug")),
    **_each("builtins.MemoryError", unknown("out_of_memory")),
    **_each("msgspec.MsgspecError pydantic.ValidationError pydantic_core.ValidationError", _INVALID),
    **_each("jsonschema.ValidationError marshmallow.ValidationError attrs.ValidationError", _INVALID),
    # Data that cannot be read. In C, some of these classes live in modules with an underscore.
    **_each("_csv.Error configparser.Error struct.error zlib.error gzip.BadGzipFile tarfile.TarError", _INVALID),
    **_each(
        "zipfile.BadZipFile zipfile.LargeZipFile lzma.LZMAError _lzma.LZMAError shutil.ReadError xml.SAXException",
        _INVALID,
    ),
    **_each("pickle.PickleError _pickle.PickleError re.error re.PatternError copy.Error yaml.YAMLError", _INVALID),
    **_each("jinja2.TemplateError jsonschema.SchemaError", _INVALID),
    **_each("cryptography.InvalidTag cryptography.InvalidKey", _INVALID),
    **_each("shutil.SameFileError shutil.SpecialFileError", permanent("file")),
    # HTTP libraries
    **_each("requests.ConnectTimeout httpx.ConnectTimeout httpx2.ConnectTimeout", transient("timeout", not_sent=True)),
    **_each("httpx.PoolTimeout httpx2.PoolTimeout httpcore.PoolTimeout", transient("timeout", not_sent=True)),
    **_each("httpcore.ConnectTimeout httpcore2.ConnectTimeout", transient("timeout", not_sent=True)),
    **_each("urllib3.ConnectTimeoutError aiohttp.ConnectionTimeoutError", transient("timeout", not_sent=True)),
    **_each("requests.Timeout httpx.TimeoutException httpx2.TimeoutException urllib3.TimeoutError", _TIMEOUT),
    **_each("httpcore.TimeoutException httpcore2.TimeoutException aiohttp.ServerTimeoutError", _TIMEOUT),
    **_each("httpx.ConnectError httpx2.ConnectError httpcore.ConnectError httpcore2.ConnectError", _UNCONNECTED),
    **_each("urllib3.NewConnectionError urllib3.NameResolutionError aiohttp.ClientConnectorError", _UNCONNECTED),
    **_each("aiohttp.ClientConnectorCertificateError", _CERTIFICATE),
    **_each("aiohttp.ClientConnectorSSLError requests.SSLError urllib3.SSLError", _TLS),
    **_each("requests.ConnectionError requests.ChunkedEncodingError httpx.TransportError", _CONNECTION),
    **_each("httpx2.TransportError httpcore.NetworkError httpcore2.NetworkError", _CONNECTION),
    **_each("httpcore.RemoteProtocolError httpcore2.RemoteProtocolError aiohttp.ClientConnectionError", _CONNECTION),
    **_each("urllib3.ProtocolError urllib3.MaxRetryError urllib3.ProxyError", _CONNECTION),
    **_each("urllib.ContentTooShortError aiohttp.ClientPayloadError", _CONNECTION),
    **_each("httpx.UnsupportedProtocol httpx2.UnsupportedProtocol httpx.LocalProtocolError", _INVALID),
    **_each("httpx2.LocalProtocolError httpx.InvalidURL httpx2.InvalidURL http.InvalidURL", _INVALID),
    **_each("requests.TooManyRedirects httpx.TooManyRedirects httpx2.TooManyRedirects", permanent("redirects")),
    **_each("aiohttp.TooManyRedirects", permanent("redirects")),
    **_each("requests.ContentDecodingError urllib3.DecodeError", _INVALID),
    **_each("requests.InvalidJSONError httpx.DecodingError httpx2.DecodingError aiohttp.InvalidURL", _INVALID),
    # Databases and services
    **_each(" ".join(f"{name}.IntegrityError" for name in _DATABASES), _INTEGRITY),
    **_each(" ".join(f"{name}.ProgrammingError {name}.NotSupportedError" for name in _DATABASES), _BAD_QUERY),
    **_each(" ".join(f"{name}.DataError" for name in _DATABASES), _INVALID),
    **_each("psycopg.OperationalError psycopg2.OperationalError psycopg_pool.PoolTimeout", _DATABASE_AWAY),
    **_each("apsw.BusyError apsw.LockedError", transient("locked")),
    **_each("apsw.FullError", transient("disk_full")),
    **_each("apsw.ConstraintError", _INTEGRITY),
    **_each("apsw.ReadOnlyError", permanent("read_only")),
    **_each("apsw.AuthError redis.AuthenticationError redis.AuthorizationError redis.NoPermissionError", _AUTH),
    **_each("apsw.CantOpenError", permanent("cannot_open")),
    **_each("redis.ConnectionError redis.BusyLoadingError redis.ClusterDownError", _CONNECTION),
    **_each("redis.TimeoutError", _TIMEOUT),
    **_each("redis.DataError redis.ResponseError", _INVALID),
    **_each("redis.NoScriptError", permanent("not_found")),
    **_each("redis.WatchError", transient("conflict")),
    # A replica is writable again, at another address, once the failover is over.
    **_each("redis.ReadOnlyError redis.TryAgainError redis.MasterDownError", transient("unavailable")),
    **_each("redis.OutOfMemoryError", transient("resources")),
    **_each(
        "nats.NoServersError nats.ConnectionClosedError nats.StaleConnectionError nats.ConnectionReconnectingError",
        _CONNECTION,
    ),
    **_each("nats.NoRespondersError nats.ServiceUnavailableError nats.ServerError", transient("unavailable")),
    **_each("nats.MaxPayloadError nats.BadSubjectError nats.BadRequestError", _INVALID),
    **_each("nats.NotFoundError", permanent("not_found")),
    **_each("aiormq.ChannelNotFoundEntity", permanent("not_found")),
    **_each("aiormq.ChannelPreconditionFailed aiormq.IncompatibleProtocolError", _INVALID),
    **_each("aiormq.ChannelLockedResource", transient("locked")),
    **_each("aiormq.DeliveryError", transient("unavailable")),
    # No proof in any of these: that library has tried several times by itself, only the last one is seen.
    **_each("botocore.EndpointConnectionError botocore.ConnectTimeoutError botocore.ConnectionError", _CONNECTION),
    **_each("botocore.ConnectionClosedError botocore.HTTPClientError", _CONNECTION),
    **_each("botocore.SSLError", _TLS),
    **_each("botocore.ReadTimeoutError", _TIMEOUT),
    **_each("botocore.NoCredentialsError botocore.PartialCredentialsError botocore.ProfileNotFound", _AUTH),
    **_each("botocore.ParamValidationError botocore.DataNotFoundError botocore.NoRegionError", _INVALID),
    **_each("smtplib.SMTPAuthenticationError", _AUTH),
    **_each("smtplib.SMTPServerDisconnected", _CONNECTION),
    **_each("smtplib.SMTPNotSupportedError", permanent("not_supported")),
    **_each("ftplib.error_temp", transient("unavailable")),
    **_each("ftplib.error_perm", permanent("refused")),
    # Ours
    **_each("mainspring.StoreUnavailableError mainspring.StoreHeldError", transient("store_unavailable")),
    **_each("mainspring.StoreFullError", transient("disk_full")),
    **_each("mainspring.CodecUnavailableError", transient("codec_unavailable")),
    **_each("mainspring.FencedError", unknown("fenced")),
}
