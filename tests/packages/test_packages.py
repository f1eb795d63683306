"""The packages: what a release holds, that two builds of it are the same bytes, and what an administrator gets."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = TREE / "systemd/packaging"
BOOT = TREE / "tests/systemd/boot.sh"
# What a root file system needs beside what the packages say themselves: systemd, and what the stand-in runs with.
FURNITURE = ["systemd", "python3", "curl"]


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=600, **options)
    assert done.returncode == 0, "%s\n%s\n%s" % (" ".join(map(str, command)), done.stdout[-4000:], done.stderr[-4000:])
    return done.stdout


def wants(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        pytest.skip("not found here: " + " ".join(missing))


def version():
    return re.search(r"^VERSION := (.*)$", (TREE / "Makefile").read_text(), re.M).group(1)


def sums(directory, pattern):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.glob(pattern)}


@pytest.fixture(scope="session")
def tarball(tmp_path_factory):
    path = tmp_path_factory.mktemp("dist") / ("purser-%s.tar.gz" % version())
    run(PACKAGING / "dist.sh", "purser-" + version(), path, cwd=TREE)
    return path


@pytest.fixture(scope="session")
def builds(tarball, tmp_path_factory):
    """The same release built twice, in places, times of day and surroundings of their own."""
    wants("dpkg-buildpackage", "dh")
    base = tmp_path_factory.mktemp("deb")
    places = base / "one", base / "another/with-a-longer-name"
    surroundings = {"TZ": "UTC", "LANG": "C"}, {"TZ": "Pacific/Kiritimati", "LANG": "C.UTF-8", "USER": "another", "HOME": str(base)}
    masks = 0o022, 0o002
    running = []
    for place, surrounding, mask in zip(places, surroundings, masks):
        place.parent.mkdir(exist_ok=True)
        environment = {**os.environ, **surrounding, "DEB_BUILD_OPTIONS": "nocheck"}
        running.append(subprocess.Popen([PACKAGING / "deb.sh", tarball, version(), place], env=environment, umask=mask, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    for process in running:
        output, _ = process.communicate(timeout=900)
        assert process.returncode == 0, output[-6000:]
    return places


@pytest.fixture(scope="session")
def debs(builds):
    return {path.name.partition("_")[0]: path for path in builds[0].glob("*.deb")}


def test_a_release_made_from_an_unpacked_release_is_the_same_bytes(tarball, tmp_path):
    run("tar", "-C", tmp_path, "-xzf", tarball)
    run(PACKAGING / "dist.sh", "purser-" + version(), tmp_path / "again.tar.gz", cwd=tmp_path / ("purser-" + version()),
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)})
    assert (tmp_path / "again.tar.gz").read_bytes() == tarball.read_bytes()


def test_a_release_holds_what_is_kept_and_nothing_that_was_built(tarball):
    names = run("tar", "-tzf", tarball).split()
    assert all(name.startswith("purser-%s/" % version()) for name in names)
    assert "purser-%s/daemon/main.c" % version() in names and "purser-%s/.ci/run" % version() in names
    assert not [name for name in names if name.endswith((".o", ".pyc")) or "/node_modules/" in name or "/build" in name]


def test_every_package_says_the_version_of_the_makefile():
    spec = (PACKAGING / "purser.spec").read_text()
    changelog = (PACKAGING / "debian/changelog").read_text()
    assert re.search(r"^Version: +(.*)$", spec, re.M).group(1) == version()
    assert re.match(r"purser \((.*)-\d+\)", changelog).group(1) == version()


def test_two_builds_are_the_same_bytes(builds):
    one, another = (sums(place, "*.deb") for place in builds)
    assert {"purser", "libpurser0", "libpurser-dev"} <= {name.partition("_")[0] for name in one}
    assert one == another


def test_no_place_of_building_is_in_what_was_built(builds, debs, tmp_path):
    for deb in debs.values():
        run("dpkg-deb", "--extract", deb, tmp_path / deb.name)
    place = str(builds[0]).encode()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink() and place in path.read_bytes()]


def test_lintian_finds_neither_errors_nor_warnings(builds):
    wants("lintian")
    changes = next(builds[0].glob("*.changes"))
    found = run("lintian", "--allow-root", "--fail-on", "error,warning", changes)
    assert not re.search(r"^[EW]:", found, re.M), found


def test_each_package_holds_its_part(debs):
    held = {name: set(re.findall(r" \./(\S+)", run("dpkg-deb", "--contents", debs[name]))) for name in ("purser", "libpurser0", "libpurser-dev")}
    assert {"usr/bin/purser", "usr/sbin/purserd", "usr/libexec/purser/purser-login", "lib/systemd/system/purser.socket",
            "usr/share/purser/providers/jobber.yaml", "usr/share/man/man1/purser.1.gz"} <= held["purser"]
    assert any(name.endswith("/libpurser.so.0") for name in held["libpurser0"])
    assert {"usr/include/purser.h", "usr/share/man/man3/libpurser.3.gz"} <= held["libpurser-dev"]
    files = [name for names in held.values() for name in names if not name.endswith("/")]
    assert len(files) == len(set(files)), "a file is in two packages"


def test_the_daemon_needs_libcurl_which_it_joins_while_it_runs(debs, tmp_path):
    """No tool that looks for libraries in a program's head finds it, so that its name is written down."""
    run("dpkg-deb", "--extract", debs["purser"], tmp_path)
    daemon = tmp_path / "usr/sbin/purserd"
    assert "libcurl" not in run("readelf", "--dynamic", daemon)
    notes = run("readelf", "--string-dump=.note.dlopen", daemon)
    assert '"soname":["libcurl.so.4"]' in notes and '"soname":["libcrypto.so.3"]' in notes
    assert re.search(r"\blibcurl4 \(>= 7\.85\) \| libcurl4t64 ", run("dpkg-deb", "--field", debs["purser"], "Depends"))
    assert "libcurl.so.4()(64bit)" in (PACKAGING / "purser.spec").read_text()


def test_packages_join_libraries_so_that_security_updates_of_those_reach_them(debs, tmp_path):
    run("dpkg-deb", "--extract", debs["purser"], tmp_path)
    for program, libraries in (("sbin/purserd", ("libjansson", "libyaml-0", "libsodium", "libsqlite3")), ("bin/purser", ("libjansson",))):
        needed = run("readelf", "--dynamic", tmp_path / "usr" / program)
        assert all("Shared library: [%s.so." % library in needed for library in libraries), needed


def test_the_example_compiles_with_the_development_package(debs, tmp_path):
    for name in ("libpurser0", "libpurser-dev"):
        run("dpkg-deb", "--extract", debs[name], tmp_path)
    directory = next(tmp_path.glob("usr/lib/*/pkgconfig"))
    environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(tmp_path), "PKG_CONFIG_PATH": str(directory)}
    flags = run("pkg-config", "--cflags", "--libs", "purser", env=environment).split()
    run("cc", "-o", tmp_path / "example", TREE / "tests/examples/get_token.c", *flags, *run("pkg-config", "--cflags", "--libs", "libcurl").split())
    assert "libpurser.so.0" in run("readelf", "--dynamic", tmp_path / "example")


def older(deb, directory):
    """The same package under a lower version."""
    unpacked = directory / deb.stem
    run("dpkg-deb", "--raw-extract", deb, unpacked)
    control = unpacked / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 0.0.1-1", control.read_text(), flags=re.M))
    run("dpkg-deb", "-Znone", "--root-owner-group", "--build", unpacked, directory)
    shutil.rmtree(unpacked)


@pytest.fixture(scope="session")
def report(debs, tmp_path_factory):
    """The lines of inside.sh."""
    if os.geteuid() != 0:
        pytest.skip("booting systemd needs root")
    probe = subprocess.run([BOOT, "--timeout", "20", "--", "/bin/true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip("systemd cannot be booted in a container here: " + probe.stderr.strip()[:200])
    base = tmp_path_factory.mktemp("root")
    (base / "debs/old").mkdir(parents=True)
    for name in ("libpurser0", "purser"):
        shutil.copy(debs[name], base / "debs")
        older(debs[name], base / "debs/old")
    depends = ",".join(run("dpkg-deb", "--field", debs[name], "Depends") for name in ("libpurser0", "purser"))
    needed = sorted({re.match(r"[a-z0-9.+-]+", choice.strip()).group() for choice in depends.split(",")})
    run(TREE / "tests/packages/root.sh", base / "root.tar", *FURNITURE, *needed)
    done = subprocess.run([BOOT, "--root", base / "root.tar", "--bind-ro", "%s:/debs" % (base / "debs"), "--bind-ro", "%s:/tree" % TREE,
                           "--timeout", "200", "--", "/tree/tests/packages/inside.sh"], capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
    return done.stdout


def test_packages_are_installed_upgraded_removed_and_purged_under_a_real_systemd(report):
    assert "FAILED" not in report, report
    assert sum(line.startswith("ok ") for line in report.splitlines()) == 31, report


MACROS = {"_unitdir": "/usr/lib/systemd/system", "_userunitdir": "/usr/lib/systemd/user", "_sysusersdir": "/usr/lib/sysusers.d",
          "_journalcatalogdir": "/usr/lib/systemd/catalog", "systemd_post()": ":", "systemd_preun()": ":", "systemd_postun_with_restart()": ":"}


def test_the_spec_file_is_in_order():
    wants("rpmspec", "rpmlint")
    run("rpmspec", "--parse", PACKAGING / "purser.spec")
    found = run("rpmlint", "--config", TREE / "tests/packages/rpmlint.toml", PACKAGING / "purser.spec")
    assert re.search(r" 0 errors, 0 warnings", found), found


def test_the_spec_file_builds_packages_of_all_that_is_installed(tarball, tmp_path):
    """rpm fails on a file that no package holds, and on one that was not installed. Nothing is to be run: any optimization will do."""
    wants("rpmbuild")
    (tmp_path / "SOURCES").mkdir()
    shutil.copy(tarball, tmp_path / "SOURCES")
    defines = {"_topdir": tmp_path, "optflags": "-O0 -g0 -U_FORTIFY_SOURCE", "debug_package": "%{nil}", **MACROS}
    arguments = [word for name, value in defines.items() for word in ("--define", "%s %s" % (name, value))]
    run("rpmbuild", "-bb", "--nodeps", *arguments, PACKAGING / "purser.spec")
    built = {path.name.rpartition("-0.1")[0]: path for path in tmp_path.glob("RPMS/*/*.rpm")}
    assert set(built) == {"purser", "purser-libs", "purser-devel"}
    listed = run("rpm", "--query", "--list", "--package", built["purser"])
    assert "/usr/sbin/purserd" in listed and "/usr/share/purser/providers/jobber.yaml" in listed
    assert "libpurser.so.0" in run("rpm", "--query", "--list", "--package", built["purser-libs"])
    configuration = run("rpm", "--query", "--configfiles", "--package", built["purser"])
    assert configuration.split() == ["/etc/purser/purser.yaml"]
