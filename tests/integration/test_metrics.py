"""What `purser metrics` prints, judged by those who read it: Prometheus' own tool, and a parser of OpenMetrics."""

import re
import shutil
import subprocess

import pytest

from purser import EX_OK, EX_USAGE, TREE


@pytest.fixture
def promtool():
    tool = shutil.which("promtool")
    if not tool:
        pytest.skip("promtool is not there (Debian's package prometheus)")

    def run(*arguments, data=None):
        return subprocess.run([tool, *arguments], input=data, capture_output=True, text=True, check=False)
    return run


@pytest.fixture
def families():
    parser = pytest.importorskip("prometheus_client.openmetrics.parser",
                                 reason="no parser of OpenMetrics (Debian's package python3-prometheus-client)")
    return lambda text: {family.name: family for family in parser.text_string_to_metric_families(text)}


@pytest.fixture
def busy(home, standin, acme):
    """Credentials in several states, and histograms that hold something."""
    home.adopt("birch", "birch")
    standin.next("token", "invalid_grant")
    home.purser("refresh", "birch")
    home.purser("refresh", "acme").expect(EX_OK)
    for _ in range(3):
        home.get_token("acme")
    return home


def samples(family):
    return {tuple(sorted(sample.labels.items())): sample.value for sample in family.samples}


@pytest.mark.parametrize("arguments", [(), ("--credentials", "10")])
def test_prometheus_own_tool_accepts_the_metrics(busy, promtool, arguments):
    text = busy.purser("metrics", *arguments).expect(EX_OK).out
    judged = promtool("check", "metrics", data=text)
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", ""), text
    assert promtool("check", "metrics", data=text.replace("} ", "} x")).returncode == 1


def test_openmetrics_parser_finds_what_happened(busy, families):
    found = families(busy.purser("metrics").expect(EX_OK).out)
    states = samples(found["purser_credentials"])
    assert states[("client", "jobber-app"), ("state", "active")] == 1
    assert states[("client", "jobber-app"), ("state", "authorization-required")] == 1
    refreshes = samples(found["purser_refreshes_total"])
    assert refreshes[(("outcome", "refused"),)] == 1 and refreshes[(("outcome", "refreshed"),)] >= 1
    assert samples(found["purser_soonest_expiry_seconds"])[(("client", "jobber-app"),)] > 3000
    for name in ("purser_refresh_duration_seconds", "purser_get_token_seconds"):
        histogram = found[name]
        assert (histogram.type, histogram.unit) == ("histogram", "seconds")
        values = {sample.name: sample.value for sample in histogram.samples}
        assert values[name + "_count"] >= 2 and 0 < values[name + "_sum"] < 60
    assert not any(name.startswith("purser_credential_") for name in found)


def test_single_credentials_are_told_to_those_who_ask(busy, families):
    found = families(busy.purser("metrics", "--credentials", "1").expect(EX_OK).out)
    labels = ("client", "jobber-app"), ("credential", "birch")
    assert samples(found["purser_credential_state"]) == {(*labels, ("state", "authorization-required")): 1}
    assert samples(found["purser_credentials_left_out"]) == {(): 1}
    found = families(busy.purser("metrics", "--credentials", "2").expect(EX_OK).out)
    labels = ("client", "jobber-app"), ("credential", "acme")
    status = busy.status("acme")
    assert samples(found["purser_credential_generation"])[labels] == status["generation"]
    assert samples(found["purser_credential_last_success_timestamp_seconds"])[labels] == status["refreshed_at"]
    assert abs(samples(found["purser_credential_expiry_seconds"])[labels] - status["expires_in_seconds"]) <= 2


@pytest.mark.parametrize("number", ["2001", "-1", "many", "", "99999999999999999999"])
def test_a_number_of_credentials_that_cannot_be_is_refused(home, acme, number):
    result = home.purser("metrics", "--credentials", number)
    assert result.status == EX_USAGE and not result.out, result
    assert len(result.err.splitlines()) <= 2


def test_the_manual_explains_every_metric_and_no_other(busy, families):
    page = (TREE / "daemon/purserd.8").read_text()
    items = re.findall(r"^\.It Ic (purser_.*)", page, re.M)
    explained = {name for item in items for name in re.findall(r"purser_[a-z_]+", item.split(" Pq ")[0])}
    assert explained == set(families(busy.purser("metrics", "--credentials", "10").expect(EX_OK).out))
    labels = {name for item in items for name in re.findall(r"[a-z_]+", item.partition(" Pq Cm ")[2])}
    told = families(busy.purser("metrics", "--credentials", "10").out).values()
    used = {label for family in told for sample in family.samples for label in sample.labels}
    assert used - {"le", "credential"} == labels
