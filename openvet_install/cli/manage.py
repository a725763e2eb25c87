"""`openvet-install`: the commands around the wrappers. Results go to stdout, all else to stderr."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from openvet_install import __version__
from openvet_install.cli.ending import guarded, leave
from openvet_install.cli.options import split
from openvet_install.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.cli.options import WrapperOptions

OURS = ("project", "mode", "report")


class _Parser(argparse.ArgumentParser):
    """Usage errors end with 64, in our words."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        raise UsageError(message, hint=f"{self.prog} --help")


def main() -> NoReturn:
    """Run as `openvet-install`."""
    leave(guarded(lambda: run(sys.argv[1:])))


def run(argv: Sequence[str]) -> int:
    """Run one command; return its exit code. Raises `InstallError`."""
    arguments = parser().parse_args(argv)
    options = _options(arguments)
    if arguments.command == "demo":
        from openvet_install.cli import demo  # noqa: PLC0415 - each command pays for itself

        return demo.run(keep=arguments.keep)
    if arguments.command == "check":
        from openvet_install.cli import check  # noqa: PLC0415 - as above

        if arguments.environment:
            if arguments.files or arguments.all_files:
                raise UsageError("`--environment` takes no FILE and no `--all-files`")
            return check.environment(options, python=arguments.python)
        return check.run(arguments.files, options, python=arguments.python, all_files=arguments.all_files)
    if arguments.command == "explain":
        from openvet_install.cli import explain  # noqa: PLC0415 - as above

        return explain.run(arguments.what, options, python=arguments.python)
    from openvet_install.cli import pins  # noqa: PLC0415 - as above

    if arguments.command == "init":
        return pins.init(arguments.log, arguments.operator, options)
    return pins.update(arguments.name, options)


def parser() -> argparse.ArgumentParser:
    """Return the parser; nothing is abbreviated."""
    root = _Parser(prog="openvet-install", description=__doc__, allow_abbrev=False)
    root.add_argument("--version", action="version", version=f"openvet-install {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, told: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=told, description=told, allow_abbrev=False)
        one.add_argument("--project", metavar="DIR", help="the folder of the project's policy")
        one.add_argument("--mode", metavar="MODE", help="block, warn or record")
        one.add_argument(
            "--report",
            metavar="FORMAT[:PATH]",
            action="append",
            default=[],
            help="json, jsonl, sarif, github or markdown; no PATH or `-` is stdout; repeatable",
        )
        one.add_argument("--offline", action="store_true", help="judge by what was verified before")
        return one

    demo = command("demo", "a real gated install with an embedded log: one package allowed, others blocked")
    demo.add_argument("--keep", action="store_true", help="keep the demo's folder and print where it is")
    init = command("init", "write a policy for a log, after verifying the log")
    init.add_argument("--log", metavar="URL", required=True, action="append", help="a log's URL; repeatable")
    init.add_argument(
        "--operator", metavar="SHA256:…", action="append", default=[],
        help="the first key of the log's generation 0, 1, …, if you know it from elsewhere; repeatable, in this order",
    )  # fmt: skip
    update = command("update", "verify what is new in the logs and move the pins")
    update.add_argument("name", metavar="LOG", nargs="?", help="only this log")
    check = command("check", "judge uv.lock and pylock.toml for this target, without installing")
    check.add_argument("files", metavar="FILE", nargs="*", help="default: the policy's lockfiles, else those beside it")
    check.add_argument("--python", metavar="PATH", help="the target's interpreter or environment")
    check.add_argument("--environment", action="store_true", help="compare what is installed with the approved files")
    check.add_argument("--all-files", action="store_true", help="every file of every platform, as OpenVet does")
    explain = command("explain", "show all evidence about a release for this target")
    explain.add_argument("what", metavar="NAME[==VERSION]")
    explain.add_argument("--python", metavar="PATH", help="the target's interpreter or environment")
    return root


def _options(arguments: argparse.Namespace) -> WrapperOptions:
    """Read our options and their variables exactly as the wrappers do."""
    argv = [f"--openvet-{name}={value}" for name in ("project", "mode") if (value := getattr(arguments, name))]
    argv += [f"--openvet-report={value}" for value in arguments.report]
    argv += ["--openvet-offline"] if arguments.offline else []
    return split(argv, os.environ)[0]
