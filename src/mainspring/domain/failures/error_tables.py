"""Tables of error numbers and names with their verdicts: errno, HTTP, SQLSTATE, SQLite, exit codes, cloud codes, classes.

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

from mainspring.domain.failures.verdict import Verdict, permanent, transient, unknown


def _expand(names: str, verdict: Verdict) -> dict[str, Verdict]:
    """Return one entry for each of the names."""
    return dict.fromkeys(names.split(), verdict)


def _expand_errnos(names: str, verdict: Verdict) -> dict[int, Verdict]:
    """Return one entry for each name that this platform has."""
    return {getattr(errno, name): verdict for name in names.split() if hasattr(errno, name)}


_AUTH = permanent("auth")
_INVALID = permanent("invalid")
_CONNECTION = transient("connection")
_CONNECTION_NOT_MADE = transient("connection", not_sent=True)
_TIMEOUT = transient("timeout")
_TLS = transient("tls")
_CERTIFICATE = permanent("tls_certificate", not_sent=True)
_RATE_LIMITED = transient("rate_limited")
_INTEGRITY = permanent("integrity")
_BAD_QUERY = permanent("bad_query")
_DATABASE_UNAVAILABLE = transient("database_unavailable")

ERRNO_CODES: dict[int, Verdict] = {
    **_expand_errnos("ECONNREFUSED", transient("connection_refused", not_sent=True)),
    **_expand_errnos("EADDRNOTAVAIL", _CONNECTION_NOT_MADE),
    **_expand_errnos("ECONNRESET ECONNABORTED EPIPE ENETRESET ESHUTDOWN ENOTCONN", _CONNECTION),
    **_expand_errnos("EHOSTUNREACH ENETUNREACH ENETDOWN EHOSTDOWN", transient("unreachable")),
    **_expand_errnos("ETIMEDOUT", _TIMEOUT),
    **_expand_errnos("ENOSPC EDQUOT", transient("disk_full")),
    **_expand_errnos("EAGAIN EWOULDBLOCK EINTR EBUSY ETXTBSY EDEADLK ENOLCK ESTALE EADDRINUSE", transient("busy")),
    **_expand_errnos("EMFILE ENFILE ENOBUFS", transient("resources")),
    **_expand_errnos("ENOENT", permanent("not_found")),
    **_expand_errnos("EACCES EPERM", permanent("permission")),
    **_expand_errnos("EROFS", permanent("read_only")),
    **_expand_errnos("EEXIST ENOTDIR EISDIR ENOTEMPTY ENAMETOOLONG ELOOP EXDEV EFBIG", permanent("file")),
    **_expand_errnos("EINVAL EBADF ENOEXEC ENOTTY ESPIPE E2BIG EDOM ERANGE ENOTSOCK EOPNOTSUPP EAFNOSUPPORT", _INVALID),
}

HTTP_STATUSES: dict[int, Verdict] = {
    401: _AUTH,
    403: _AUTH,
    407: _AUTH,
    408: transient("http_408"),
    425: transient("http_425"),
    429: _RATE_LIMITED,
    501: permanent("http_501"),
    505: permanent("http_505"),
    511: _AUTH,
}

SQLSTATE_CODES: dict[str, Verdict] = {
    # Whole states are looked up first, then the class (first two characters).
    "08": _DATABASE_UNAVAILABLE,
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
    "57P01": _DATABASE_UNAVAILABLE,
    "57P02": _DATABASE_UNAVAILABLE,
    "57P03": _DATABASE_UNAVAILABLE,
    "57P05": _DATABASE_UNAVAILABLE,
    "72000": transient("serialization"),
}

SQLITE_CODES: dict[int, Verdict] = {  # primary result codes
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

MYSQL_CODES: dict[int, Verdict] = {
    **dict.fromkeys((1044, 1045, 1142, 1227, 1698), _AUTH),
    **dict.fromkeys((1205, 1213), transient("locked")),
    **dict.fromkeys((1040, 1053, 1203, 2006, 2013), _DATABASE_UNAVAILABLE),
    **dict.fromkeys((2002, 2003, 2005), transient("database_unavailable", not_sent=True)),
    **dict.fromkeys((1048, 1062, 1451, 1452), _INTEGRITY),
    **dict.fromkeys((1049, 1054, 1064, 1146), _BAD_QUERY),
}

TLS_REASONS: dict[str, Verdict] = {
    # Of an alert the words behind "_ALERT_". All others are transient: ends of connections, records that cannot be read.
    **_expand(
        "CERTIFICATE_REQUIRED BAD_CERTIFICATE UNKNOWN_CA CERTIFICATE_EXPIRED CERTIFICATE_REVOKED CERTIFICATE_UNKNOWN "
        "UNSUPPORTED_CERTIFICATE ACCESS_DENIED NO_CERTIFICATE UNKNOWN_PSK_IDENTITY",
        _AUTH,
    ),
    **_expand(
        "WRONG_VERSION_NUMBER UNSUPPORTED_PROTOCOL PROTOCOL_VERSION HANDSHAKE_FAILURE NO_SHARED_CIPHER NO_CIPHERS_AVAILABLE "
        "NO_PROTOCOLS_AVAILABLE HTTP_REQUEST UNRECOGNIZED_NAME INSUFFICIENT_SECURITY DH_KEY_TOO_SMALL EE_KEY_TOO_SMALL CA_MD_TOO_WEAK",
        permanent("tls_protocol"),
    ),
}

EXIT_CODES: dict[int, Verdict] = {
    **dict.fromkeys(range(64, 79), permanent("exit_refused")),  # sysexits.h
    75: transient("exit_temporary"),
    77: _AUTH,
    124: _TIMEOUT,
    126: permanent("not_executable"),
    127: permanent("command_not_found"),
}

CLOUD_CODES: dict[str, Verdict] = {
    **_expand(
        "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException SlowDown "
        "TooManyRequestsException ProvisionedThroughputExceededException RequestLimitExceeded "
        "BandwidthLimitExceeded EC2ThrottledException PriorRequestNotComplete LimitExceededException",
        _RATE_LIMITED,
    ),
    **_expand("RequestTimeout RequestTimeoutException", _TIMEOUT),
    **_expand(
        "InternalError InternalFailure InternalServerError InternalServiceError ServiceUnavailable "
        "ServiceUnavailableException TransactionInProgressException Unavailable",
        transient("unavailable"),
    ),
    **_expand(
        "AccessDenied AccessDeniedException UnauthorizedOperation UnrecognizedClientException AuthFailure "
        "InvalidClientTokenId InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken ExpiredTokenException "
        "MissingAuthenticationToken MissingAuthenticationTokenException IncompleteSignature OptInRequired "
        "AccountProblem NotAuthorized NotAuthorizedException TokenRefreshRequired RequestExpired",
        _AUTH,
    ),
    **_expand("ValidationError ValidationException InvalidParameterValue MalformedQueryString", _INVALID),
    **_expand("NoSuchBucket NoSuchKey ResourceNotFoundException", permanent("not_found")),
    **_expand("ConditionalCheckFailedException", permanent("conflict")),
    **_expand("TransactionConflictException OperationAborted ConcurrentModificationException", transient("conflict")),
}

GRPC_CODES: dict[str, Verdict] = {
    **_expand("UNAVAILABLE ABORTED", transient("unavailable")),
    **_expand("DEADLINE_EXCEEDED", _TIMEOUT),
    **_expand("RESOURCE_EXHAUSTED", _RATE_LIMITED),
    **_expand("UNAUTHENTICATED PERMISSION_DENIED", _AUTH),
    **_expand("INVALID_ARGUMENT OUT_OF_RANGE FAILED_PRECONDITION ALREADY_EXISTS UNIMPLEMENTED DATA_LOSS", _INVALID),
    **_expand("NOT_FOUND", permanent("not_found")),
}

_DATABASES = ("sqlite3", "psycopg", "psycopg2", "asyncpg", "pymysql", "MySQLdb", "mysql", "oracledb", "apsw")

ERROR_CLASSES: dict[str, Verdict] = {
    **_expand("builtins.ConnectionRefusedError", transient("connection_refused", not_sent=True)),
    **_expand("builtins.ConnectionError asyncio.IncompleteReadError", _CONNECTION),
    **_expand("http.IncompleteRead http.BadStatusLine", _CONNECTION),
    **_expand("builtins.TimeoutError asyncio.TimeoutError concurrent.TimeoutError subprocess.TimeoutExpired", _TIMEOUT),
    **_expand("socket.gaierror socket.herror", transient("dns", not_sent=True)),
    **_expand("ssl.SSLCertVerificationError ssl.CertificateError", _CERTIFICATE),
    **_expand("ssl.SSLError", _TLS),
    **_expand("builtins.FileNotFoundError", permanent("not_found")),
    **_expand("builtins.PermissionError", permanent("permission")),
    **_expand("builtins.FileExistsError builtins.IsADirectoryError builtins.NotADirectoryError", permanent("file")),
    **_expand("builtins.BlockingIOError builtins.InterruptedError", transient("busy")),
    **_expand("builtins.ValueError builtins.TypeError builtins.LookupError builtins.AssertionError", _INVALID),
    **_expand("builtins.AttributeError builtins.NameError builtins.NotImplementedError", permanent("bug")),
    **_expand("builtins.ImportError builtins.SyntaxError builtins.ArithmeticError", permanent("bug")),
    **_expand("builtins.RecursionError http.ImproperConnectionState", permanent("bug")),
    **_expand("builtins.MemoryError", unknown("out_of_memory")),
    **_expand("msgspec.MsgspecError pydantic.ValidationError pydantic_core.ValidationError", _INVALID),
    **_expand("jsonschema.ValidationError marshmallow.ValidationError attrs.ValidationError", _INVALID),
    # Data that cannot be read. In C, some of these classes live in modules with an underscore.
    **_expand("_csv.Error configparser.Error struct.error zlib.error gzip.BadGzipFile tarfile.TarError", _INVALID),
    **_expand(
        "zipfile.BadZipFile zipfile.LargeZipFile lzma.LZMAError _lzma.LZMAError shutil.ReadError xml.SAXException",
        _INVALID,
    ),
    **_expand("pickle.PickleError _pickle.PickleError re.error re.PatternError copy.Error yaml.YAMLError", _INVALID),
    **_expand("jinja2.TemplateError jsonschema.SchemaError", _INVALID),
    **_expand("cryptography.InvalidTag cryptography.InvalidKey", _INVALID),
    **_expand("shutil.SameFileError shutil.SpecialFileError", permanent("file")),
    # HTTP libraries
    **_expand(
        "requests.ConnectTimeout httpx.ConnectTimeout httpx2.ConnectTimeout", transient("timeout", not_sent=True)
    ),
    **_expand("httpx.PoolTimeout httpx2.PoolTimeout httpcore.PoolTimeout", transient("timeout", not_sent=True)),
    **_expand("httpcore.ConnectTimeout httpcore2.ConnectTimeout", transient("timeout", not_sent=True)),
    **_expand("urllib3.ConnectTimeoutError aiohttp.ConnectionTimeoutError", transient("timeout", not_sent=True)),
    **_expand("requests.Timeout httpx.TimeoutException httpx2.TimeoutException urllib3.TimeoutError", _TIMEOUT),
    **_expand("httpcore.TimeoutException httpcore2.TimeoutException aiohttp.ServerTimeoutError", _TIMEOUT),
    **_expand(
        "httpx.ConnectError httpx2.ConnectError httpcore.ConnectError httpcore2.ConnectError", _CONNECTION_NOT_MADE
    ),
    **_expand(
        "urllib3.NewConnectionError urllib3.NameResolutionError aiohttp.ClientConnectorError", _CONNECTION_NOT_MADE
    ),
    **_expand("aiohttp.ClientConnectorCertificateError", _CERTIFICATE),
    **_expand("aiohttp.ClientConnectorSSLError requests.SSLError urllib3.SSLError", _TLS),
    **_expand("requests.ConnectionError requests.ChunkedEncodingError httpx.TransportError", _CONNECTION),
    **_expand("httpx2.TransportError httpcore.NetworkError httpcore2.NetworkError", _CONNECTION),
    **_expand("httpcore.RemoteProtocolError httpcore2.RemoteProtocolError aiohttp.ClientConnectionError", _CONNECTION),
    **_expand("urllib3.ProtocolError urllib3.MaxRetryError urllib3.ProxyError", _CONNECTION),
    **_expand("urllib.ContentTooShortError aiohttp.ClientPayloadError", _CONNECTION),
    **_expand("httpx.UnsupportedProtocol httpx2.UnsupportedProtocol httpx.LocalProtocolError", _INVALID),
    **_expand("httpx2.LocalProtocolError httpx.InvalidURL httpx2.InvalidURL http.InvalidURL", _INVALID),
    **_expand("requests.TooManyRedirects httpx.TooManyRedirects httpx2.TooManyRedirects", permanent("redirects")),
    **_expand("aiohttp.TooManyRedirects", permanent("redirects")),
    **_expand("requests.ContentDecodingError urllib3.DecodeError", _INVALID),
    **_expand("requests.InvalidJSONError httpx.DecodingError httpx2.DecodingError aiohttp.InvalidURL", _INVALID),
    # Databases and services
    **_expand(" ".join(f"{name}.IntegrityError" for name in _DATABASES), _INTEGRITY),
    **_expand(" ".join(f"{name}.ProgrammingError {name}.NotSupportedError" for name in _DATABASES), _BAD_QUERY),
    **_expand(" ".join(f"{name}.DataError" for name in _DATABASES), _INVALID),
    **_expand("psycopg.OperationalError psycopg2.OperationalError psycopg_pool.PoolTimeout", _DATABASE_UNAVAILABLE),
    **_expand("apsw.BusyError apsw.LockedError", transient("locked")),
    **_expand("apsw.FullError", transient("disk_full")),
    **_expand("apsw.ConstraintError", _INTEGRITY),
    **_expand("apsw.ReadOnlyError", permanent("read_only")),
    **_expand("apsw.AuthError redis.AuthenticationError redis.AuthorizationError redis.NoPermissionError", _AUTH),
    **_expand("apsw.CantOpenError", permanent("cannot_open")),
    **_expand("redis.ConnectionError redis.BusyLoadingError redis.ClusterDownError", _CONNECTION),
    **_expand("redis.TimeoutError", _TIMEOUT),
    **_expand("redis.DataError redis.ResponseError", _INVALID),
    **_expand("redis.NoScriptError", permanent("not_found")),
    **_expand("redis.WatchError", transient("conflict")),
    # A replica is writable again, at another address, once the failover is over.
    **_expand("redis.ReadOnlyError redis.TryAgainError redis.MasterDownError", transient("unavailable")),
    **_expand("redis.OutOfMemoryError", transient("resources")),
    **_expand(
        "nats.NoServersError nats.ConnectionClosedError nats.StaleConnectionError nats.ConnectionReconnectingError",
        _CONNECTION,
    ),
    **_expand("nats.NoRespondersError nats.ServiceUnavailableError nats.ServerError", transient("unavailable")),
    **_expand("nats.MaxPayloadError nats.BadSubjectError nats.BadRequestError", _INVALID),
    **_expand("nats.NotFoundError", permanent("not_found")),
    **_expand("aiormq.ChannelNotFoundEntity", permanent("not_found")),
    **_expand("aiormq.ChannelPreconditionFailed aiormq.IncompatibleProtocolError", _INVALID),
    **_expand("aiormq.ChannelLockedResource", transient("locked")),
    **_expand("aiormq.DeliveryError", transient("unavailable")),
    # No proof in any of these: that library has tried several times by itself, only the last one is seen.
    **_expand("botocore.EndpointConnectionError botocore.ConnectTimeoutError botocore.ConnectionError", _CONNECTION),
    **_expand("botocore.ConnectionClosedError botocore.HTTPClientError", _CONNECTION),
    **_expand("botocore.SSLError", _TLS),
    **_expand("botocore.ReadTimeoutError", _TIMEOUT),
    **_expand("botocore.NoCredentialsError botocore.PartialCredentialsError botocore.ProfileNotFound", _AUTH),
    **_expand("botocore.ParamValidationError botocore.DataNotFoundError botocore.NoRegionError", _INVALID),
    **_expand("smtplib.SMTPAuthenticationError", _AUTH),
    **_expand("smtplib.SMTPServerDisconnected", _CONNECTION),
    **_expand("smtplib.SMTPNotSupportedError", permanent("not_supported")),
    **_expand("ftplib.error_temp", transient("unavailable")),
    **_expand("ftplib.error_perm", permanent("refused")),
    # Ours
    **_expand("mainspring.StoreUnavailableError mainspring.StoreHeldError", transient("store_unavailable")),
    **_expand("mainspring.StoreFullError", transient("disk_full")),
    **_expand("mainspring.CodecUnavailableError", transient("codec_unavailable")),
    **_expand("mainspring.FencedError", unknown("fenced")),
}
