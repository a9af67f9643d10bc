"""Addresses that lead inside although they may not look like it: what no configured outgoing address may resolve to unasked."""

from ipaddress import IPv4Address

_V4 = (
    *(
        "169.254.169.254",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.168.255.255",
    ),
    *("100.64.0.1", "100.127.255.254", "0.0.0.0", "0.0.0.1", "127.0.0.2", "127.255.255.254", "169.254.0.1"),
    *("192.0.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "100.100.100.200", "192.88.99.1"),
)
_V6 = (
    *("::", "::2", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1"),
    *("::ffff:0:127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *(
        "2002:a9fe:a9fe::1",
        "2002:7f00:1::",
        "2002:c0a8:1::1",
        "2001::1",
        "2001:db8::1",
        "2001:10::1",
        "fc00::1",
        "fd00::1",
    ),
    *(
        "fd00:ec2::254",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "fe80::a9fe:a9fe",
        "ff02::1",
        "ff05::2",
        "100::1",
    ),
    *("3fff::1", "5f00::1", "::ffff:100.64.0.1", "::ffff:192.168.1.1", "::ffff:0.0.0.0", "0:0:0:0:0:ffff:7f00:1"),
    *("::ffff:7f00:1", "::a00:1", "64:ff9b::c0a8:1", "2002:a00:1::"),
)


def _written(text: str) -> list[str]:
    """Return an address of IPv4 in the ways in which a resolver reads it."""
    number, parts = int(IPv4Address(text)), [int(part) for part in text.split(".")]
    return [
        text,
        str(number),
        f"0x{number:08x}",
        ".".join(f"0{part:o}" for part in parts),
    ]


LITERALS = [form for text in _V4 for form in _written(text)] + [f"[{text}]" for text in _V6]
NAMES = (
    "metadata.google.internal",
    "intranet",
    "rebound.example",
    "localhost.",
    "a.localhost",
    "127.1",
    "10.1",
    "0x7f.1",
)
"""The first three are resolved by the test."""
CORPUS = [*LITERALS, *NAMES]
