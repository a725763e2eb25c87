"""Write what follows from the code: `docs/reference.md` and the man pages. Run it after a change; a test compares.

python -m tools.make_docs
"""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install import errors
from openvet_install.cli import exempt, gated, manage, options, reports, wrap
from openvet_install.cli.config import toml
from openvet_install.config import Settings, keys, revision
from openvet_install.config.publishers import KINDS, PUBLISHER_KEYS
from openvet_install.decide import Reason
from openvet_install.installers import environment
from openvet_install.report.reasons import MEANING

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parents[1] / "docs"
VARIABLES = {
    f"{options.VARIABLE}PROJECT": "`--openvet-project`",
    f"{options.VARIABLE}MODE": "`--openvet-mode`; never the machine's mode",
    f"{options.VARIABLE}REPORT": "`--openvet-report`, several with spaces between",
    f"{options.VARIABLE}OFFLINE": "`--openvet-offline`: 1, true, yes, on; 0, false, no, off",
    f"{options.VARIABLE}BUNDLE": "`--openvet-bundle`; with it a run is offline",
    revision.VARIABLE: "the project's policy, pins and baseline are read from this branch, tag or commit",
    exempt.OWNER: "`--owner` of `baseline` and `exempt`",
    environment.THROUGH: "set by `exec`: the gate around a gate",
    environment.TOLD: "set by `exec`: where gates inside say what they told",
    gated.TIMINGS: "print the child's time and our peak memory, for benches",
    reports.SUMMARY: "set by GitHub Actions: `github` reports append a summary there",
    "NO_COLOR, FORCE_COLOR, TERM, COLUMNS": "colour and width, by the usual rules",
    "XDG_CACHE_HOME, XDG_STATE_HOME, XDG_CONFIG_HOME": "where stores, looks at logs and the user's policy lie",
}
EXITS = {
    errors.EXIT_OK: "the tool ended well, or there is nothing to say",
    errors.EXIT_USAGE: "usage: an argument or input that is not taken, or a report that cannot be written",
    errors.EXIT_INVALID: "invalid: a log, signature, archive or hash is not what it claims",
    errors.EXIT_UNDECIDED: "undecided: a log or an index is out of reach",
    errors.EXIT_BUG: "a bug of openvet-install",
    errors.EXIT_BLOCKED: "blocked: a file that the policy does not approve",
    errors.EXIT_CONFIG: "configuration",
}


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the management commands by name."""
    root = manage.parser()
    action = next(one for one in root._actions if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
    return dict(action.choices)


def reference() -> str:
    """Return the whole reference."""
    return "\n".join(_reference()) + "\n"


def _reference() -> Iterator[str]:
    yield "# Reference\n\nWritten by `python -m tools.make_docs` from the code; not by hand.\n"
    yield "## Exit codes\n\nThe tool's own when it ran and there is nothing to add. If several apply: 65, 77, 69.\n"
    yield from _table(("code", "meaning"), ((str(code), text) for code, text in EXITS.items()))
    yield "\n## Reasons\n\n`warn` forgives *silence*; nothing forgives a *no* or what is *broken*.\n"
    yield from _table(("reason", "class", "meaning"), ((f"`{r.code}`", r.klass.value, MEANING[r]) for r in Reason))
    yield "\n## Keys of `[install]`\n"
    defaults = {one.name.replace("_", "-"): getattr(Settings(), one.name) for one in fields(Settings)}
    defaults["mode"] = Settings().mode.value
    shown = {key: f"`{toml(defaults[key])}`" if defaults.get(key) is not None else "" for key in keys.INSTALL}
    yield from _table(("key", "default", "meaning"), ((f"`{k}`", shown[k], text) for k, text in keys.INSTALL.items()))
    yield "\n`[install.log.NAME]`:\n"
    yield from _table(("key", "meaning"), ((f"`{key}`", text) for key, text in keys.LOG.items()))
    yield "\n`[[install.exempt]]`:\n"
    yield from _table(("key", "meaning"), ((f"`{key}`", text) for key, text in keys.EXEMPT.items()))
    yield "\n`[[install.publisher]]`:\n"
    yield from _table(("key", "meaning"), ((f"`{key}`", text) for key, text in keys.PUBLISHER.items()))
    yield "\nEach kind needs and knows, beside `package`, `index`, `required` and `trust-root`:\n"
    yield from _table(
        ("kind", "needed", "optional"),
        (
            (f"`{kind}`", *(", ".join(f"`{key}`" for key in PUBLISHER_KEYS if key in part) for part in known))
            for kind, known in KINDS.items()
        ),
    )
    yield "\n## Wrappers\n\n```text"
    yield wrap.HELP.format(tool="pip").rstrip()
    yield "```\n\n## Variables\n"
    yield from _table(("variable", "meaning"), ((f"`{name}`", text) for name, text in VARIABLES.items()))
    yield "\n### Variables that builds get\n"
    yield "Of yours these, beside what steers terminals and languages (`*` as in a shell):"
    yield f"{', '.join(f'`{name}`' for name in environment.TOLD_TO_BUILDS)}."
    yield "\n## `openvet-install`\n"
    yield "Every command takes `--project`, `--mode`, `--report`, `--offline` and `--bundle` as the wrappers do."
    for name, parser in sorted(commands().items()):
        yield f"\n### `{_usage(name, parser)}`\n\n{parser.description}.\n"
        rows = [(f"`{_spelled(one)}`", (one.help or "").replace("|", "\\|")) for one in _own(parser)]
        if rows:
            yield from _table(("argument", "meaning"), rows)


def man() -> str:
    """Return the man page of openvet-install in roff."""
    lines = [
        '.TH OPENVET-INSTALL 1 "" "openvet-install" "User Commands"', ".SH NAME",
        "openvet-install \\- pip and uv behind a gate that lets only approved files through", ".SH SYNOPSIS",
        "\\fBopenvet-pip\\fR \\fIpip-arguments\\fR", ".br", "\\fBopenvet-uv\\fR \\fIuv-arguments\\fR", ".br",
        "\\fBopenvet-install\\fR \\fIcommand\\fR", ".SH COMMANDS",
    ]  # fmt: skip
    for name, parser in sorted(commands().items()):
        lines += [".TP", f"\\fB{_roff(_usage(name, parser))}\\fR", _roff(f"{parser.description}.")]
        for one in _own(parser):
            lines += [".RS", ".TP", f"\\fB{_roff(_spelled(one))}\\fR", _roff(one.help or " "), ".RE"]
    lines.append(".SH EXIT STATUS")
    for code, text in EXITS.items():
        lines += [".TP", f"\\fB{code}\\fR", _roff(text)]
    lines.append(".SH ENVIRONMENT")
    for name, text in VARIABLES.items():
        lines += [".TP", f"\\fB{_roff(name)}\\fR", _roff(text.replace("`", ""))]
    return "\n".join(lines) + "\n"


def _own(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    common = {"help", "project", "mode", "report", "offline", "bundle"}
    return [one for one in parser._actions if one.dest not in common]  # noqa: SLF001


def _usage(name: str, parser: argparse.ArgumentParser) -> str:
    words = []
    for one in _own(parser):
        spelled = _spelled(one) if one.option_strings else str(one.metavar or one.dest)
        spelled += "…" if one.nargs == "*" else ""
        words.append(spelled if one.required and one.nargs not in ("?", "*") else f"[{spelled}]")
    return " ".join([name, *words])


def _spelled(one: argparse.Action) -> str:
    if not one.option_strings:
        return str(one.metavar or one.dest)
    value = f" {one.metavar}" if one.metavar and one.nargs != 0 else ""
    return f"{one.option_strings[-1]}{value}"


def _table(head: tuple[str, ...], rows: object) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:  # type: ignore[attr-defined]
        yield f"| {' | '.join(row)} |"


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped)


def main() -> None:
    """Write the files."""
    (DOCS / "man").mkdir(parents=True, exist_ok=True)
    (DOCS / "reference.md").write_text(reference(), "utf-8")
    (DOCS / "man" / "openvet-install.1").write_text(man(), "utf-8")


if __name__ == "__main__":
    main()
