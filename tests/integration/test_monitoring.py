"""The alert rules and the dashboard that come along: accepted by their own tools, and about figures that there are."""

import json
import re
import shutil
import subprocess

import pytest

from purser import TREE

RULES = TREE / "etc/prometheus/purser.rules.yaml"
RULE_TESTS = TREE / "tests/prometheus/purser.rules.test.yaml"
DASHBOARD = TREE / "etc/grafana/purser.json"


def promtool(*arguments):
    tool = shutil.which("promtool")
    if not tool:
        pytest.skip("promtool is not there (Debian's package prometheus)")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)


def alerts():
    return re.findall(r"^ +- alert: (\w+)$", RULES.read_text(), re.M)


def rule_expressions():
    return re.findall(r"^ +expr: (.*)$", RULES.read_text(), re.M)


def dashboard_expressions():
    board = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    found += [annotation["expr"] for annotation in board["annotations"]["list"]]
    return found + [variable["definition"] for variable in board["templating"]["list"] if variable["type"] == "query"]


def test_prometheus_accepts_the_rules():
    judged = promtool("check", "rules", str(RULES))
    assert judged.returncode == 0 and "%d rules found" % len(alerts()) in judged.stdout, judged


def test_every_alert_fires_when_it_must_and_not_before():
    judged = promtool("test", "rules", str(RULE_TESTS))
    assert judged.returncode == 0, judged.stdout + judged.stderr
    tests = RULE_TESTS.read_text()
    for alert in alerts():
        assert "alertname: %s, exp_alerts: []" % alert in tests, "it is not tried when it must not fire: " + alert
        assert re.search(r"alertname: %s\n +exp_alerts:\n +- exp_labels" % alert, tests), "it is not seen to fire: " + alert


def test_a_rule_that_says_something_else_fails_its_test(tmp_path):
    """What the tests are worth: another threshold, and they fail."""
    (tmp_path / "etc/prometheus").mkdir(parents=True)
    (tmp_path / "tests/prometheus").mkdir(parents=True)
    changed = RULES.read_text().replace("purser_soonest_expiry_seconds < 0", "purser_soonest_expiry_seconds < 240")
    (tmp_path / "etc/prometheus" / RULES.name).write_text(changed)
    shutil.copy(RULE_TESTS, tmp_path / "tests/prometheus")
    judged = promtool("test", "rules", str(tmp_path / "tests/prometheus" / RULE_TESTS.name))
    assert judged.returncode != 0 and "PurserTokenEnded" in judged.stdout + judged.stderr


def printed(home):
    """Every metric with the labels that its samples have."""
    known = {}
    for line in home.purser("metrics", "--credentials", "10").expect(0).out.splitlines():
        sample = re.match(r"(purser_\w+)(?:\{(.*)\})? ", line)
        if sample:
            known.setdefault(sample[1], set()).update(re.findall(r'(\w+)="', sample[2] or ""))
    return known


@pytest.mark.parametrize("expressions", [rule_expressions, dashboard_expressions])
def test_every_expression_is_about_metrics_and_labels_that_there_are(home, acme, expressions):
    known = printed(home)
    for expression in expressions():
        names = re.findall(r"\bpurser_\w+", expression)
        assert names, "it asks for no metric of purserd: " + expression
        for name, matchers in re.findall(r"\b(purser_\w+)(?:\{([^}]*)\})?", expression):
            assert name in known, "%s is not printed: %s" % (name, expression)
            asked = set(re.findall(r'(\w+)(?:=|!=|=~|!~)"', matchers)) - {"instance"}
            assert asked <= known[name], expression
        grouped = {label for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(", ")}
        assert grouped <= {label for name in names for label in known[name]}, expression


def test_states_that_expressions_name_are_states_that_there_are(home, acme):
    text = home.purser("metrics").expect(0).out
    for label in ("state", "version_state"):
        there = set(re.findall(r'\b%s="([^"]*)"' % label, text))
        for expression in rule_expressions() + dashboard_expressions():
            for asked in re.findall(r'\b%s(?:=|!=|=~)"([^"]*)"' % label, expression):
                assert set(asked.split("|")) <= there, expression


def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path):
    rules = []
    for i, expression in enumerate(dashboard_expressions()):
        if not expression.startswith("label_values("):
            rules.append({"record": "x%d" % i, "expr": expression})
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    judged = promtool("check", "rules", str(file))
    assert judged.returncode == 0 and "%d rules found" % len(rules) in judged.stdout, judged


def test_panels_of_the_dashboard_do_not_overlap():
    taken = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        assert panel["title"] and at["x"] + at["w"] <= 24, panel
        places = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not places & taken, panel["title"]
        taken |= places
