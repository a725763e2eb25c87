# How an image is built behind the gate. Two ways: explicit commands, and a SHELL that gates the plain ones.
# (buildah: --format docker; its other format ignores SHELL.)
FROM acme/openvet-install:1 AS openvet

FROM python:3.12-slim AS build
COPY --from=openvet /opt/openvet /opt/openvet
RUN python3 /opt/openvet/setup.py
WORKDIR /app

# Explicit. Policy, pins and lock first: this layer is built anew when they change. A login for an index belongs in a
# secret: RUN --mount=type=secret,id=netrc,target=/root/.netrc openvet-uv sync …; no cache mount for uv is needed.
# With a bundle (openvet-install bundle) beside them a build asks no log host; without one, leave out the variable.
COPY openvet*.toml openvet*.lock openvet.bundl[e] pyproject.toml uv.lock ./
ENV OPENVET_INSTALL_OFFLINE=1
RUN openvet-uv sync --locked --no-install-project && openvet-install check --environment

# Transparent. Every shell-form RUN from here to the end of this stage is gated; other downloads are refused, so
# `apt-get` lines belong above. An exec-form RUN ["…"], ADD of a URL and the next FROM are outside; the plain pip and
# uv find no index there.
SHELL ["openvet-install", "exec", "--", "/bin/sh", "-ec"]
RUN python3 -m venv --without-pip /venv
ENV VIRTUAL_ENV=/venv
RUN pip install gunicorn

# What was installed, against what is approved today.
RUN openvet-install check --environment --python /venv

# The final image has nothing of the gate.
FROM python:3.12-slim
COPY --from=build /app /app
COPY --from=build /venv /venv
