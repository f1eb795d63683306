"""The interface definitions, as read by tools that others wrote."""

import re
import shutil
import subprocess

import pytest

from purser import TREE


@pytest.mark.parametrize("name", ["io.purser.Tokens", "io.purser.Admin"])
def test_go_generator_makes_code_of_the_definition(tmp_path, name):
    generator = shutil.which("varlink-go-interface-generator")
    if not generator:
        pytest.skip("varlink-go-interface-generator (Debian: varlink-go) is not installed")
    # Its version of 2021 does not know yet that interface names may have capitals.
    text = (TREE / "include" / (name + ".varlink")).read_text()
    text = re.sub(r"^interface \S+", "interface " + name.lower(), text, flags=re.M)
    definition = tmp_path / (name.lower() + ".varlink")
    definition.write_text(text)
    made = subprocess.run([generator, str(definition)], capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made
    code = "".join(path.read_text() for path in tmp_path.rglob("*.go"))
    for method in re.findall(r"^method (\w+)", text, re.M):
        assert "func (m %s_methods) Call(" % method in code
