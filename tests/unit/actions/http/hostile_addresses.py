"""Addresses that lead inside although they may not look like it, in the forms in which attackers write them."""

from tests.ssrf_corpus import CORPUS

_WRITTEN = (
    # users, passwords and other texts before or after the host
    *("http://public.example@127.0.0.1/", "http://127.0.0.1@public.example/", "http://a:b@10.0.0.1/"),
    *(
        "http://public.example:80@169.254.169.254/",
        "http://127.0.0.1#@public.example/",
        "http://127.0.0.1?@public.example/",
    ),
    *("http://public.example\\@127.0.0.1/", "http:\\\\127.0.0.1/", "http://127.0.0.1\\.public.example/"),
    *("http:///127.0.0.1/", "http:127.0.0.1", "//127.0.0.1/", "http://", "http://:80/", "", "/", "127.0.0.1"),
    # spaces, tabs and line ends
    *(
        " http://127.0.0.1/",
        "http://127.0.0.1 /",
        "http://127.0\t.0.1/",
        "http://127.0.0.1\r\nhost: a/",
        "http://12\n7.0.0.1/",
    ),
    *(
        "http://127.0.0.1/\r\nx: y",
        "http://127.0.0.1\x00.public.example/",
        "http://\u200b127.0.0.1/",
        "http://127.0.0.1\u00ad/",
    ),
    # octal, hexadecimal, decimal and short forms
    *("http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://0177.0.0.1/", "http://0x7f.0.0.1/"),
    *(
        "http://127.1/",
        "http://127.0.1/",
        "http://0/",
        "http://00/",
        "http://0x0/",
        "http://127.0.0.01/",
        "http://0xa9fea9fe/",
    ),
    *(
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
        "http://0x7f.1/",
        "http://4294967295/",
    ),
    *("http://127.0.0.1.:80/", "http://localhost./", "http://127.0.0.1./", "http://2130706433./", "http://256.1.1.1/"),
    # characters that stand for others
    *("http://127。0。0。1/", "http://127．0．0．1/", "http://127｡0｡0｡1/", "http://①②⑦.⓪.⓪.①/", "http://１２７.0.0.1/"),
    *(
        "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "http://ｌｏｃａｌｈｏｓｔ/",
        "http://%31%32%37.0.0.1/",
        "http://127.0.0.%31/",
        "http://localhost%00/",
    ),
    *(
        "http://loc%61lhost/",
        "http://℀.public.example/",
        "http://xn--/",
        "http://a..b/",
        "http://-a-.example./",
        "http://a_b..c/",
    ),
    # addresses of IPv6 with a zone, without brackets, or with one of IPv4 inside
    *(
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::1%lo]/",
        "http://::1/",
        "http://[::1/",
        "http://::1]/",
    ),
    *(
        "http://[::ffff:127.0.0.1%25lo]/",
        "http://[0:0:0:0:0:ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::1]:80/",
    ),
    *("http://[64:ff9b:1:ffff::7f00:1]/", "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "http://[2002:7f00:1::1]/"),
    *(
        "http://[::127.0.0.1]/",
        "http://[fd00:ec2::254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[127.0.0.1]/",
        "http://[]/",
    ),
    *("http://[v1.127.0.0.1]/", "http://[::ffff:0:a9fe:a9fe]/", "http://[fec0::1]/", "http://[ff02::1]/"),
    # other schemes and ports
    *(
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_",
        "ftp://127.0.0.1/",
        "dict://127.0.0.1:11211/",
        "javascript:alert(1)",
    ),
    *(
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
        "data:text/plain,a",
        "ldap://127.0.0.1/",
        "ws://127.0.0.1/",
        "HTTPX://a/",
    ),
    *("http://127.0.0.1:0/", "http://public.example:99999/", "http://public.example:-1/", "http://public.example:8a/"),
    # services that give credentials
    *("http://168.63.129.16/", "http://169.254.170.2/", "http://192.0.0.192/", "http://100.100.100.200/"),
)
HOSTILE = [*(f"http://{address}/latest/meta-data" for address in CORPUS), *_WRITTEN]
