"""The keys of uv's configuration, as data (threats 2.1). Source: what uv 0.13.9 itself names; a test compares."""

from __future__ import annotations

from openvet_install.installers.tokens import CARRY, JUDGE, LATER, NEVER, OURS, UPSTREAM

# `[tool.uv]` of a pyproject.toml, or the top of a uv.toml.
TOP: dict[str, str] = {
    **dict.fromkeys(
        (
            *("required-version", "concurrent-downloads", "concurrent-builds", "concurrent-installs", "no-index"),
            *("index-strategy", "keyring-provider", "resolution", "prerelease", "prerelease-package", "fork-strategy"),
            *("exclude-newer", "exclude-newer-package", "no-build", "no-build-package", "no-binary"),
            *("no-binary-package", "require-build-hashes", "torch-backend", "upgrade", "reinstall"),
            *("reinstall-package", "environments", "required-environments", "minimum-libc-version", "conflicts"),
            *("managed", "package", "default-groups", "dev-dependencies", "dependency-groups", "build-backend"),
            *("cache-keys", "python-preference", "publish-url", "check-url", "trusted-publishing", "add-bounds"),
            *("audit", "no-cache", "no-sources", "no-sources-package", "compile-bytecode", "sources", "workspace"),
        ),
        CARRY,
    ),
    **dict.fromkeys(
        (
            *("index", "index-url", "extra-index-url", "pip", "dependency-metadata", "constraint-dependencies"),
            *("override-dependencies", "exclude-dependencies", "build-constraint-dependencies"),
            *("extra-build-dependencies", "extra-build-variables", "find-links", "upgrade-package"),
            *("config-settings", "config-settings-package", "no-build-isolation", "no-build-isolation-package"),
            *("preview", "preview-features"),
        ),
        JUDGE,
    ),
    "offline": LATER,
    **dict.fromkeys(("cache-dir", "link-mode", "python-downloads"), OURS),
    **dict.fromkeys(("system-certs", "native-tls"), UPSTREAM),
    **dict.fromkeys(
        (
            *("http-proxy", "https-proxy", "no-proxy", "allow-insecure-host", "python-install-mirror"),
            *("pypy-install-mirror", "graalpy-install-mirror", "pyodide-install-mirror", "python-downloads-json-url"),
        ),
        NEVER,
    ),
}

# What uv reads in the pyproject.toml of each folder of a project, also where it was told to read no configuration.
PROJECT = frozenset(
    {
        *("index", "constraint-dependencies", "override-dependencies", "exclude-dependencies"),
        "build-constraint-dependencies",
    }
)

# `[tool.uv.pip]`, or `[pip]` of a uv.toml. `index` stands only where uv takes it.
PIP: dict[str, str] = {
    **dict.fromkeys(
        (
            *("python", "system", "break-system-packages", "no-index", "index-strategy", "keyring-provider"),
            *("no-build", "no-binary", "only-binary", "require-build-hashes", "strict", "extra", "all-extras"),
            *("no-extra", "no-deps"),
            *("group", "allow-empty-requirements", "resolution", "prerelease", "fork-strategy", "output-file"),
            *("no-strip-extras", "no-strip-markers", "no-annotate", "no-header", "custom-compile-command"),
            *("generate-hashes", "universal", "exclude-newer"),
            *("exclude-newer-package", "no-emit-package", "emit-index-url", "emit-find-links", "emit-build-options"),
            *("emit-marker-expression", "emit-index-annotation", "annotation-style", "compile-bytecode"),
            *("require-hashes", "no-sources", "no-sources-package", "upgrade", "reinstall"),
            *("reinstall-package", "torch-backend"),
        ),
        CARRY,
    ),
    **dict.fromkeys(
        (
            *("index", "index-url", "extra-index-url", "dependency-metadata", "extra-build-dependencies"),
            *("extra-build-variables", "verify-hashes", "find-links", "upgrade-package"),
            *("config-settings", "config-settings-package", "no-build-isolation", "no-build-isolation-package"),
        ),
        JUDGE,
    ),
    **dict.fromkeys(("target", "prefix", "python-version", "python-platform"), LATER),
    "link-mode": OURS,
}

INDEX = frozenset(
    {
        *("name", "url", "explicit", "default", "format", "authenticate", "ignore-error-codes", "publish-url"),
        *("hash-algorithm", "exclude-newer"),
    }
)

# Preview features that only spare a warning, or steer commands that install nothing. The others change what is
# resolved, written or cached, where environments lie, or who is asked for a login.
PREVIEW = frozenset(
    {
        *("json-output", "pylock", "package-conflicts", "detect-module-conflicts", "index-by-name", "sbom-export"),
        *("format-command", "audit-command", "check-command", "auth-helper", "publish-require-normalized"),
        *("cache-size", "cache-physical-space", "init-project-flag", "packaged-init", "python-install-default"),
        *("workspace-dir", "workspace-list", "workspace-list-scripts", "workspace-metadata", "adjust-ulimit"),
    }
)

# Names that `extra-build-variables` may not set (T15); `*` as in a shell.
BUILD_VARIABLES_NEVER = (
    *("PYTHON*", "*_PROXY", "*CERT*", "*CA_BUNDLE*", "LD_*", "DYLD_*", "PATH", "PIP_*", "UV_*", "GIT_*", "OPENSSL_*"),
    *("BASH_ENV", "ENV", "GCONV_PATH", "SSLKEYLOGFILE"),
)

# Names that a project may not set, a user may: of programs that builds start, and of their configuration.
BUILD_VARIABLES_OF_USERS = (
    *("CC", "CXX", "CPP", "LD", "LDSHARED", "LDCXXSHARED", "AR", "AS", "NM", "RANLIB", "FC", "F77", "F90", "NVCC"),
    *("HOME", "SHELL", "XDG_*", "*_WRAPPER", "*_LAUNCHER", "*_COMPILER", "*_EXTRA_CONFIG", "*_TOOLCHAIN_FILE"),
    *("CARGO*", "RUST*", "MAKE", "MAKEFILES", "NODE_*", "PERL*", "RUBY*", "JAVA_*", "TMPDIR"),
    *("PKG_CONFIG", "SWIG", "CYTHON", "CMAKE", "NINJA", "MESON", "*_CONFIG", "CCACHE*", "SCCACHE*", "DISTCC*"),
)
