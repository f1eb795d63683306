"""Clocks that are wrong: ours jumps while the daemon runs, the provider's is an hour off. The life of a token depends on neither."""

import sys
import time

import pytest

from purser import BUILD
from waiting import until

HOUR = 3600


@pytest.fixture
def wall(home):
    """purserd with a wall clock of its own, which wall(seconds) sets off by so much; other clocks are true. Gives the function."""
    library = BUILD / "tests/integration/wall.so"
    if b"libasan" in (BUILD / "purserd").read_bytes():
        pytest.skip("a sanitizer wants to be loaded first")
    file = home.directory / "wall"
    file.write_bytes(bytes(8))

    def jump(seconds):
        with open(file, "r+b", buffering=0) as opened:
            opened.write(seconds.to_bytes(8, sys.byteorder, signed=True))

    jump.environment = {"LD_PRELOAD": str(library), "WALL_OFFSET": str(file)}
    return jump



@pytest.mark.parametrize("offset", [HOUR, -HOUR])
def test_wall_clock_that_is_an_hour_off_changes_no_life(home, standin, wall, offset):
    wall(offset)
    home.start(environment=wall.environment)
    standin.set(lifetime=600)
    home.adopt("acme")
    bundle = home.get_token()
    assert abs(bundle["expires_at"] - (time.time() + offset + 600)) < 30, "the clock was not off"
    assert 590 <= home.status()["token_lifetime_seconds"] <= 600
    for _ in range(20):
        assert home.get_token()["access_token"] == bundle["access_token"]
    assert standin.count("token") == 1


def test_wall_clock_that_jumps_while_running_costs_no_refresh(home, standin, wall):
    home.start(environment=wall.environment)
    standin.set(lifetime=600)
    home.adopt("acme")
    token = home.get_token()["access_token"]
    for offset in (HOUR, -HOUR, 30 * 24 * HOUR, -30 * 24 * HOUR, 0):
        wall(offset)
        bundle = home.get_token()
        assert bundle["access_token"] == token
        assert 580 <= home.status()["expires_in_seconds"] <= 600
    assert standin.count("token") == 1


@pytest.mark.parametrize("switches", [
    {"clock_offset": HOUR}, {"clock_offset": -HOUR}, {"date_offset": HOUR}, {"date_offset": -HOUR},
    {"clock_offset": HOUR, "expires_at": True, "access_token": "opaque"}, {"date": False, "clock_offset": -HOUR},
])
def test_token_ends_for_its_callers_when_it_ends_whatever_the_clocks_say(home, standin, wall, switches):
    """Ours jumps about, the provider's is wrong: tokens that live for 3 s come one after the other, and none is handed out dead."""
    home.start(environment=wall.environment)
    standin.set(lifetime=3, **switches)
    home.adopt("acme")
    born = {}
    offsets = [0, HOUR, -HOUR, 24 * HOUR]
    began = time.monotonic()

    def ask():
        wall(offsets[int((time.monotonic() - began) * 5) % len(offsets)])
        asked = time.monotonic()
        bundle = home.get_token()
        age = asked - born.setdefault(bundle["generation"], asked)
        assert age < 3.1, "a token was handed out after its end"
        return len(born) >= 2

    until(ask, "the next token")
    seconds = time.monotonic() - began
    assert standin.count("token") <= 2 + seconds, "a storm of refreshes"
    assert standin.state()["spent_refresh_tokens_sent"] == 0
