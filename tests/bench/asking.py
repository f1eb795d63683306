"""GetToken beside the echo server: the same requests, the same number of bytes in reply, access rules and audit in force."""

from place import Place, alternate, load
from report import ratio_row

# Two of them in a reply make 1200 bytes of it: a token stands once by itself and once in its header.
TOKEN_BYTES = 440
CPU = 0

CASES = (
    ("64 connections kept", ("-c", "64"), None, 0.90),
    ("1 connection kept, the same CPU", ("-c", "1"), CPU, 0.85),
    ("a connection for each request, 16 clients", ("-m", "connect", "-c", "16"), None, 0.80),
)


def asking(options):
    with Place() as place:
        place.populate("c", 1, TOKEN_BYTES)
        requests = place.requests("c0")
        purserd = place.start_settled()
        reply_bytes = load(place.socket, requests, "-d", "0.1", "-x", "access_token")["reply_bytes"]
        echo, echo_path = place.start_echo(reply_bytes)
        yield from compare(options, place, requests, {echo_path: echo, place.socket: purserd})


def compare(options, place, requests, servers):
    from place import pin

    echo_path = next(path for path in servers if path != place.socket)
    for words, how, cpu, goal in CASES:
        for server in servers.values():
            pin(server, cpu)
        seconds = ("-d", str(options.seconds), "-w", "0.1")
        pairs = alternate(options.rounds, lambda: load(echo_path, requests, *how, *seconds, cpu=cpu),
                          lambda: load(place.socket, requests, *how, *seconds, cpu=cpu))
        yield ratio_row("asking", "GetToken, %s: requests/s" % words, pairs, "rate", goal, True, "")
        yield ratio_row("asking", "the same: 99th percentile", pairs, "p99_usec", 1.3, False, " µs")
