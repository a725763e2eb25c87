"""Where reports go: checked before anything starts, written whatever the outcome.

`-` is stdout (`github` in wrappers: stderr), and at most one report goes there. Files are replaced whole,
`jsonl` appends one line; nothing is ever written through a link.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TextIO

from openvet_install.errors import EXIT_BLOCKED, EXIT_INVALID, EXIT_UNDECIDED, InstallError, UsageError
from openvet_install.installers.environment import TOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from openvet_install.cli.options import ReportTo, WrapperOptions
    from openvet_install.gate.model import Run
    from openvet_install.gate.setting import Setting

STDOUT = "-"
APP = "openvet-install"
_OUTCOMES = {EXIT_BLOCKED: "blocked", EXIT_INVALID: "invalid", EXIT_UNDECIDED: "undecided"}
SUMMARY = "GITHUB_STEP_SUMMARY"


def check(reports: Sequence[ReportTo], *, github: str = "stdout") -> None:
    """Refuse places that cannot be written, before anything else happens. Raises `UsageError`.

    `github` names the stream that annotations go to.
    """
    spoken = [one for one in reports if one.path == STDOUT and not (one.format == "github" and github == "stderr")]
    if len(spoken) > 1:
        said = " and ".join(f"`{one.format}`" for one in spoken)
        raise UsageError(f"reports {said} would both go to stdout", hint=f"{spoken[-1].format}:PATH")
    paths = [os.path.realpath(one.path) for one in reports if one.path != STDOUT]
    if (twice := next((one for one in paths if paths.count(one) > 1), None)) is not None:
        raise UsageError(f"two reports would go to `{twice}`")
    for one in reports:
        if one.path == STDOUT:
            continue
        _check_path(one.path, appends=one.format == "jsonl")
    if any(one.format == "github" for one in reports) and (summary := os.environ.get(SUMMARY)):
        _check_path(summary, appends=True)


def write(run: Run, reports: Sequence[ReportTo], *, github: TextIO | None = None) -> None:
    """Write every report. Raises `UsageError` for those that cannot be, after the others are written.

    `github` is the stream for annotations without a path; stdout if None.
    """
    if not reports:
        return
    if any(one.format in ("json", "jsonl") for one in reports):
        from openvet_install.gate import sbom, state  # noqa: PLC0415 - late

        sbom.tell(run, state.Folders.of(os.environ))
    failed = []
    for one in reports:
        try:
            _write(run, one, github or sys.stdout)
        except OSError as error:
            failed.append(UsageError(f"report `{one.path}` cannot be written: {error.strerror or error}"))
    if failed:
        raise failed[0]


def failed(
    command: list[str], options: WrapperOptions, error: InstallError, *, chosen: Setting | None = None,
    github: TextIO | None = None,
) -> None:  # fmt: skip
    """Write the reports of a run that ended before anything was judged, with all its faults; raises as `write` does."""
    if not options.reports and not os.environ.get(TOLD):
        return
    result = without_run(command, options, error, chosen)
    write(result, options.reports, github=github)
    tell_around(result)


def without_run(command: list[str], options: WrapperOptions, error: InstallError, chosen: Setting | None) -> Run:
    """Return what a command came to that ended before anything was judged."""
    from openvet_install.cli.policy import now  # noqa: PLC0415 - only on the way out
    from openvet_install.gate.model import Outcome, Run, Trouble  # noqa: PLC0415 - as above

    faults: list[InstallError] = getattr(error, "faults", [error])
    return Run(
        command=command,
        started=now(),
        mode=chosen.mode.value if chosen is not None else options.mode or "block",
        policies=chosen.seen() if chosen is not None else (),
        environment=options.variables,
        outcome=Outcome(_OUTCOMES.get(error.exit_code, "failed")),
        exit_code=error.exit_code,
        troubles=[Trouble(name=APP, what=one.what, detail=one.where, hint=one.hint) for one in faults],
    )


@contextmanager
def telling(command: list[str], options: WrapperOptions) -> Iterator[None]:
    """Write the reports of a command that ends inside before it has judged anything, too."""
    try:
        yield
    except InstallError as error:
        failed(command, options, error)
        raise


def tell_around(run: Run) -> None:
    """Say to an `exec` around us what was told here."""
    if place := os.environ.get(TOLD):
        with suppress(OSError):  # it is only told twice then
            from openvet_install.report import document  # noqa: PLC0415 - late

            _append(place, document.line(run))


def root_of(cwd: Path) -> Path:
    """Return the repository that a folder lies in, else the folder."""
    return next((one for one in (cwd, *cwd.parents) if (one / ".git").exists()), cwd)


def _write(run: Run, one: ReportTo, github: TextIO) -> None:
    from openvet_install.report import annotations, document, findings, markdown, sarif  # noqa: PLC0415 - late

    cwd = Path.cwd()
    found = findings.of(run, findings.Ground(PurePath(cwd), PurePath(root_of(cwd))))
    if one.format == "github" and (summary := os.environ.get(SUMMARY)):
        _append(summary, markdown.render(run, found) + "\n")
    renders: Mapping[str, Callable[[], str]] = {
        "json": lambda: document.render(run),
        "jsonl": lambda: document.line(run),
        "sarif": lambda: sarif.render(run, found),
        "github": lambda: annotations.render(found),
        "markdown": lambda: markdown.render(run, found),
    }
    text = renders[one.format]()
    if one.path == STDOUT:
        _say(github if one.format == "github" else sys.stdout, text)
    elif one.format == "jsonl":
        _append(one.path, text)
    else:
        from openvet_install.installers.disk import replace_file  # noqa: PLC0415 - late

        _refuse_links(one.path)
        replace_file(Path(one.path), text.encode())


def _say(stream: TextIO, text: str) -> None:
    """Write to a stream; where it cannot take a character, an escape stands for it."""
    encoding = stream.encoding or "ascii"
    from openvet_install.report.terminal import silence  # noqa: PLC0415 - late

    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        silence(stream)  # whoever read it has seen enough; the verdict stays


def _check_path(name: str, *, appends: bool) -> None:
    path = Path(name)
    _refuse_links(name)
    if path.exists() and not path.is_file():
        raise UsageError(f"report file `{name}` is no ordinary file", hint="`-` is stdout")
    try:
        if appends and path.exists():
            with _appending(name):
                return
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise UsageError(f"report file `{name}` cannot be written: {words}") from error


def _refuse_links(name: str) -> None:
    """Refuse a path that leads through a link below the working folder: a check-out may have planted it."""
    path = Path(name)
    for one in (path, *(() if path.is_absolute() else path.parents)):
        if one.is_symlink():
            raise UsageError(f"report file `{name}` leads through a link, `{one}`", hint="name the file itself")


@contextmanager
def _appending(name: str) -> Iterator[int]:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    handle = os.open(name, flags, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(None, "no ordinary file")
        yield handle
    finally:
        os.close(handle)


def _append(name: str, text: str) -> None:
    """Append whole lines, or nothing: runs at the same time do not mix, a full disk leaves no half."""
    _refuse_links(name)
    with _appending(name) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        content = (b"\n" if torn else b"") + text.encode()
        try:
            while content:
                content = content[os.write(handle, content) :]
        except OSError:
            os.ftruncate(handle, size)
            raise
