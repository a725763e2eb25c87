"""The house is its imports: who may see whom, which rooms are pure, and the one door to processes."""

import ast
from pathlib import Path

import pytest

import openvet_install

ROOT = Path(openvet_install.__file__).parent

# A room sees its own modules and these; a room without a row fails.
ALLOWED = {
    "__init__": set(),
    "errors": set(),
    "past_proxy": set(),
    "http": {"errors", "past_proxy"},
    "openvet": {"errors", "http"},
    "files": {"errors", "openvet.subject"},
    "archive": {"errors", "files", "openvet.subject"},
    "gateway": {"errors", "files", "openvet.subject", "past_proxy"},
    "installers": {"errors", "files", "openvet.subject"},
    "config": {"errors", "openvet.subject", "openvet.language", "openvet.verdict"},
    "publishers": {"errors", "files", "config"},
    "provenance": {"errors", "files", "publishers"},
    "forgive": {"files", "config"},
    "decide": {
        *("errors", "files", "config", "publishers", "forgive"),
        *("openvet.subject", "openvet.language", "openvet.verdict"),
    },
    "carry": {"files", "decide", "openvet.subject", "openvet.language"},
    "settle": {"decide", "config", "files"},
    "gate": {
        *("errors", "http", "openvet", "files", "archive", "gateway", "installers", "config", "decide", "settle"),
        *("publishers", "provenance", "carry"),
    },
    "report": {"errors", "decide", "publishers", "config", "gate", "openvet.language", "openvet.verdict"},
    "cli": {
        *("errors", "http", "openvet", "files", "installers", "config", "decide", "provenance", "gate", "report"),
        "__init__",
    },
}  # fmt: skip

PURE = {
    "openvet.subject", "openvet.language", "openvet.verdict", "openvet.wire", "openvet.sshsig", "openvet.tree",
    "openvet.chain", "files", "publishers", "forgive", "decide", "carry", "archive.same", "archive.stated", "settle",
    "config.model", "gateway.pages", "gate.wanted", "gate.model", "past_proxy",
}  # fmt: skip
IO_MODULES = {"os", "socket", "ssl", "subprocess", "sqlite3", "requests", "urllib3", "tempfile", "shutil", "http", "io"}

# `subprocess` and its like have these doors only.
PROCESS_DOORS = {
    *(
        "openvet.attestors",
        "config.revision",
        "installers.sandbox",
        "installers.target",
        "installers.passing",
        "installers.bytecode",
        "installers.looker",
        "installers.keyring",
        "cli.docker",
        "cli.own",
    ),
}


def modules():
    return sorted(path for path in ROOT.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "__init__"


def imports_of(path):
    """Every module imported anywhere in a file, absolute; names imported from a package count as modules."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(imported):
    return {name.removeprefix("openvet_install.") for name in imported if name.startswith("openvet_install.")}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_one_way(path):
    name = name_of(path)
    room = name.split(".")[0]
    assert room in ALLOWED, f"`{room}` has no row in the table"
    for imported in ours(imports_of(path)):
        allowed = any(imported == one or imported.startswith(one + ".") for one in ALLOWED[room])
        package = any(one.startswith(imported + ".") for one in ALLOWED[room])
        assert imported.split(".")[0] == room or allowed or package or imported == "__version__", (
            f"{name} must not see {imported}"
        )


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_do_no_io(name):
    path = ROOT.joinpath(*name.split("."))
    path = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    used = {imported.split(".")[0] for imported in imports_of(path) if not imported.startswith("openvet_install")}
    assert not used & IO_MODULES


def test_processes_have_named_doors():
    doors = {name_of(path) for path in modules() if {"subprocess", "multiprocessing"} & imports_of(path)}
    assert doors <= PROCESS_DOORS


def test_sigstore_has_one_door():
    doors = [name_of(path) for path in modules() if any(name.startswith("sigstore") for name in imports_of(path))]
    assert doors == ["provenance"]
