"""The child's environment, built from nothing (T12, T16): what goes over is data, everything else stays out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openvet_install.installers import closed
from openvet_install.installers.tokens import CARRY, JUDGE, LATER, NEVER, OURS, UPSTREAM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
"""What switches a variable of uv on, in lower case."""
THROUGH = "OPENVET_INSTALL_THROUGH"
"""The gate that this process runs inside of, as a proxy: its own way out, whatever else the user has set (T42)."""
TOLD = "OPENVET_INSTALL_TOLD"
"""Below `exec` this variable names the file to which each gate inside appends its report."""

CHILD_TIMEOUT_SECONDS = 600  # the gateway owns time-outs; the child may wait for a large file to be verified
CHILD_RETRIES = 1

# Kept for the tools and terminals; names ending in `*` are prefixes.
KEPT = (
    *("HOME", "PATH", "LANG", "LANGUAGE", "LC_*", "TERM", "COLORTERM", "TMPDIR", "TZ", "USER", "LOGNAME", "SHELL"),
    "NETRC",
    *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"),
    *("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME", "XDG_DATA_DIRS", "XDG_CACHE_HOME", "XDG_STATE_HOME"),
    *("XDG_RUNTIME_DIR", "XDG_BIN_HOME"),
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "CI"),
)

# What people say to the backends that build their projects; a project's own files cannot set it.
TOLD_TO_BUILDS = (
    *("CC", "CXX", "CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS", "PKG_CONFIG_PATH"),
    *("SETUPTOOLS_SCM_PRETEND_*", "VCS_VERSIONING_PRETEND_*", "PBR_VERSION", "PDM_BUILD_SCM_VERSION"),
    *("POETRY_DYNAMIC_VERSIONING_BYPASS", "UV_DYNAMIC_VERSIONING_BYPASS", "SOURCE_DATE_EPOCH"),
    *("CMAKE_ARGS", "CMAKE_GENERATOR", "CMAKE_BUILD_TYPE", "CMAKE_BUILD_PARALLEL_LEVEL", "CMAKE_PREFIX_PATH"),
    *("SKBUILD_*", "MATURIN_PEP517_ARGS", "MAX_JOBS", "ARCHFLAGS", "MACOSX_DEPLOYMENT_TARGET"),
    *("CUDA_HOME", "CUDA_PATH", "TORCH_CUDA_ARCH_LIST", "CARGO_HOME", "RUSTUP_HOME", "RUSTFLAGS"),
    *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH"),
)

_LISTED = frozenset({*KEPT, *TOLD_TO_BUILDS})
_PREFIXES = tuple(one[:-1] for one in _LISTED if one.endswith("*"))

PIP: dict[str, str] = {
    **dict.fromkeys(
        (
            *("INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "NO_COLOR", "PROGRESS_BAR", "QUIET", "VERBOSE", "NO_INPUT"),
            *("PRE", "ONLY_BINARY", "NO_BINARY", "PREFER_BINARY", "REQUIRE_HASHES", "REQUIRE_VIRTUALENV"),
            *("REQUIRE_VENV", "UPLOADED_PRIOR_TO", "KEYRING_PROVIDER", "ROOT_USER_ACTION", "BREAK_SYSTEM_PACKAGES"),
            *("DRY_RUN", "NO_DEPS", "NO_DEPENDENCIES", "ONLY_DEPS", "ONLY_DEPENDENCIES", "UPGRADE", "UPGRADE_STRATEGY"),
            *("FORCE_REINSTALL", "IGNORE_INSTALLED", "IGNORE_REQUIRES_PYTHON", "COMPILE", "NO_COMPILE"),
            *("ALL_RELEASES", "ONLY_FINAL", "NO_WARN_SCRIPT_LOCATION", "NO_WARN_CONFLICTS"),
        ),
        CARRY,
    ),
    "PYPI_URL": CARRY,
    **dict.fromkeys(
        (
            *("PYTHON", "REQUIREMENT", "CONSTRAINT", "BUILD_CONSTRAINT", "GROUP", "FIND_LINKS", "EDITABLE", "DEST"),
            *("WHEEL_DIR", "TARGET", "PREFIX", "ROOT", "USER", "NO_USER", "SRC", "CONFIG_SETTINGS", "USE_FEATURE"),
            *("NO_BUILD_ISOLATION", "REQUIREMENTS_FROM_SCRIPT"),
        ),
        JUDGE,
    ),
    "TRUSTED_HOST": UPSTREAM,
    "CERT": UPSTREAM,
    "CLIENT_CERT": UPSTREAM,
    "PROXY": UPSTREAM,
    **dict.fromkeys(
        (
            *("CONFIG_FILE", "USE_DEPRECATED", "CACHE_DIR", "NO_CACHE_DIR", "DISABLE_PIP_VERSION_CHECK", "TIMEOUT"),
            *("DEFAULT_TIMEOUT", "RETRIES", "RESUME_RETRIES"),
        ),
        OURS,
    ),
    "NO_PROXY_ENV": NEVER,
    "ISOLATED": NEVER,
}

UV: dict[str, str] = {
    **dict.fromkeys(
        (
            *("INDEX", "DEFAULT_INDEX", "INDEX_URL", "EXTRA_INDEX_URL", "INDEX_STRATEGY", "KEYRING_PROVIDER"),
            *("CREDENTIALS_DIR", "CONCURRENT_*", "RESOLUTION", "PRERELEASE", "FORK_STRATEGY", "EXCLUDE_NEWER"),
            *("NO_DEV", "NO_GROUP", "NO_DEFAULT_GROUPS", "NO_BINARY", "NO_BINARY_PACKAGE", "NO_BUILD"),
            *("NO_BUILD_PACKAGE", "REQUIRE_HASHES", "REQUIRE_BUILD_HASHES", "NO_EDITABLE", "NO_INSTALL_*"),
            *("TOOL_DIR", "TOOL_BIN_DIR", "MANAGED_PYTHON", "NO_PROGRESS", "NO_CACHE", "TORCH_BACKEND"),
            *("NO_SYSTEM_CONFIG", "NO_MANAGED_PYTHON", "PYTHON_PREFERENCE", "PYTHON_INSTALL_DIR", "COMPILE_BYTECODE"),
            "CUSTOM_COMPILE_COMMAND",
        ),
        CARRY,
    ),
    **dict.fromkeys(
        (
            *("PYTHON", "SYSTEM_PYTHON", "BREAK_SYSTEM_PACKAGES", "NO_CONFIG", "CONFIG_FILE", "PROJECT", "WORKING_DIR"),
            "WORKING_DIRECTORY",
            *("CONSTRAINT", "BUILD_CONSTRAINT", "OVERRIDE", "EXCLUDE", "FIND_LINKS", "PROJECT_ENVIRONMENT"),
            *("FROZEN", "LOCKED", "ENV_FILE", "NO_ENV_FILE", "NO_SYNC", "NO_PROJECT", "ISOLATED"),
            *("NO_SOURCES", "NO_SOURCES_PACKAGE"),
        ),
        JUDGE,
    ),
    **dict.fromkeys(("INSECURE_HOST", "SYSTEM_CERTS", "NATIVE_TLS"), UPSTREAM),
    **dict.fromkeys(
        (
            *(
                "OFFLINE",
                "NO_BUILD_ISOLATION",
                "PREVIEW",
                "PREVIEW_FEATURES",
            ),
        ),
        LATER,
    ),
    **dict.fromkeys(
        ("CACHE_DIR", "LINK_MODE", "PYTHON_DOWNLOADS", "HTTP_RETRIES", "HTTP_TIMEOUT", "RUN_RECURSION_DEPTH"), OURS
    ),
    **dict.fromkeys(
        (
            *("NO_VERIFY_HASHES", "INSECURE_NO_ZIP_VALIDATION", "PYTHON_DOWNLOADS_JSON_URL", "PYTHON_INSTALL_MIRROR"),
            *("PYPY_INSTALL_MIRROR", "GRAALPY_INSTALL_MIRROR", "PYODIDE_INSTALL_MIRROR", "ASTRAL_MIRROR_URL"),
            *("S3_ENDPOINT_URL", "GCS_ENDPOINT_URL", "AZURE_ENDPOINT_URL", "INTERNAL__*", "NO_INSTALLER_METADATA"),
        ),
        NEVER,
    ),
}
_UV_CREDENTIALS = re.compile(r"INDEX_[A-Z0-9_]+_(?:USERNAME|PASSWORD)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """How the gateway itself goes out: the user's trust, certificate and proxies; never for the child.

    `ca_file`, `ca_dir` and `client_cert` are paths as the user wrote them, relative to the working folder; `proxies`
    by scheme; `no_proxy` the user's list, or None; `insecure_hosts` are `host` or `host:port` that the user trusts
    without a check. Proxy URLs may hold a login and are kept out of `repr()`. `offline`: nobody is asked at all.
    """

    ca_file: str | None = None
    ca_dir: str | None = None
    client_cert: str | None = None
    system_certs: bool = False
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_proxy: str | None = None
    insecure_hosts: tuple[str, ...] = ()
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """The user's environment, sorted by the columns. Values may hold logins and are kept out of `repr()`.

    `child`: carried over. `judged`: for the planner, which hands them on as flags. `upstream`: by full name. `dropped`:
    names (never values) of the tool's variables that have no effect, to be named once.
    """

    child: Mapping[str, str] = field(repr=False)
    judged: Mapping[str, str] = field(repr=False)
    upstream: Mapping[str, str] = field(repr=False)
    dropped: tuple[str, ...]


def column(name: str) -> str | None:
    """Return the column of a `PIP_…` or `UV_…` variable; None: not listed, so it is dropped."""
    prefix, _, rest = name.partition("_")
    table = {"PIP": PIP, "UV": UV}.get(prefix)
    if table is None:
        return None
    if rest in table:
        return table[rest]
    if prefix == "UV" and _UV_CREDENTIALS.fullmatch(rest):
        return CARRY
    patterns = ((pattern[:-1], found) for pattern, found in table.items() if pattern.endswith("*"))
    return next((found for start, found in patterns if rest.startswith(start)), None)


def is_kept(name: str) -> bool:
    """Whether a variable that belongs to neither tool goes over to the child."""
    return name in _LISTED or name.startswith(_PREFIXES)


def sort_environment(tool: str, environ: Mapping[str, str]) -> Sorted:
    """Sort the user's variables for a gated run of `pip` or `uv`; the other tool's variables stay out, unnamed."""
    child: dict[str, str] = {}
    judged: dict[str, str] = {}
    upstream: dict[str, str] = {}
    dropped: list[str] = []
    own = "PIP_" if tool == "pip" else "UV_"
    for name, value in environ.items():
        if not name.startswith(own) or name in TOLD_TO_BUILDS:
            if is_kept(name):
                child[name] = value
            continue
        found = column(name)
        if value == "" or found == OURS:
            continue
        if found == CARRY:
            child[name] = value
        elif found == JUDGE:
            judged[name] = value
        elif found == UPSTREAM:
            upstream[name] = value
        else:
            dropped.append(name)
    if tool == "uv":
        child |= closed.uv_variables()
    return Sorted(child=child, judged=judged, upstream=upstream, dropped=tuple(sorted(dropped)))


def upstream_settings(
    tool: str,
    environ: Mapping[str, str],
    *,
    cert: str | None = None,
    client_cert: str | None = None,
    proxy: str | None = None,
    insecure_hosts: tuple[str, ...] = (),
    system_certs: bool = False,
    offline: bool = False,
) -> UpstreamSettings:
    """Read how the user goes out, before the child's environment hides it (T42).

    The arguments come from flags and from the user's or the machine's files; they win over the environment. pip prefers
    lower-case proxy names, uv upper-case ones; `ALL_PROXY` fills what neither says.
    """
    first = [cert]
    if tool == "pip":
        first += [environ.get(name) for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")]
    first.append(environ.get("SSL_CERT_FILE"))
    identity = [client_cert, environ.get("PIP_CLIENT_CERT" if tool == "pip" else "SSL_CLIENT_CERT")]
    hosts = environ.get("PIP_TRUSTED_HOST" if tool == "pip" else "UV_INSECURE_HOST", "").split()
    truth = {environ.get(name, "").lower() for name in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")} if tool == "uv" else set()
    no_proxy = _either(environ, "no_proxy", tool)
    if around := environ.get(THROUGH):
        proxies = {"http": around, "https": around}
        return UpstreamSettings(ca_file=environ.get("SSL_CERT_FILE"), proxies=proxies, offline=offline)
    return UpstreamSettings(
        ca_file=next((value for value in first if value), None),
        ca_dir=environ.get("SSL_CERT_DIR") or None,
        client_cert=next((value for value in identity if value), None),
        system_certs=system_certs or bool(truth & TRUE),
        proxies=_proxies(tool, environ, proxy),
        no_proxy=None if proxy else no_proxy,
        insecure_hosts=tuple(dict.fromkeys((*insecure_hosts, *hosts))),
        offline=offline,
    )


def _proxies(tool: str, environ: Mapping[str, str], proxy: str | None) -> dict[str, str]:
    for_all = proxy or (environ.get("PIP_PROXY") if tool == "pip" else None)
    if for_all:
        return {"http": for_all, "https": for_all}
    last = _either(environ, "all_proxy", tool)
    found = {scheme: _either(environ, f"{scheme}_proxy", tool) or last for scheme in ("http", "https")}
    return {scheme: value for scheme, value in found.items() if value}


def _either(environ: Mapping[str, str], lower: str, tool: str) -> str | None:
    names = (lower, lower.upper()) if tool == "pip" else (lower.upper(), lower)
    return next((environ[name] for name in names if environ.get(name)), None)


def gateway_variables(
    tool: str, *, url: str, bundle: Path, empty_dir: Path, cache_dir: Path | None = None, trusted: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return what leads the child to the gateway and to nothing else (gateway-form, section 8); it goes over all else.

    `url`: the gateway with its token. `bundle`: a PEM file with the run's CA only. `empty_dir`: an existing, empty
    folder. `cache_dir`: uv's private cache (required for uv). `trusted`: `host:port` of plain-http indexes, for pip.
    Raises ValueError when uv has no cache folder.
    """
    found = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), url)
    found |= dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"), str(bundle))
    found |= {"SSL_CERT_DIR": str(empty_dir), "GIT_HTTP_PROXY_AUTHMETHOD": "basic"}
    timeout, retries = str(CHILD_TIMEOUT_SECONDS), str(CHILD_RETRIES)
    # Build code may call pip or uv by itself, so each run sets both tools' names.
    found |= {
        "PIP_CERT": str(bundle),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_USE_DEPRECATED": "legacy-certs",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_DEFAULT_TIMEOUT": timeout,
        "PIP_RETRIES": retries,
        "PIP_RESUME_RETRIES": "0",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_HTTP_TIMEOUT": timeout,
        "UV_HTTP_RETRIES": retries,
        "UV_LINK_MODE": "copy",
    }
    if tool == "pip" and trusted:
        found["PIP_TRUSTED_HOST"] = " ".join(trusted)
    if tool == "pip":
        found["UV_NO_CACHE"] = "1"
    if tool == "uv" and cache_dir is None:
        raise ValueError("uv needs a private cache")
    if cache_dir is not None:
        found["UV_CACHE_DIR"] = str(cache_dir)
    return found
