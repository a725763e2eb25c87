"""The gateway's inward side: a forward proxy on loopback that terminates TLS with the run's own CA."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from openvet_install.gateway import Refusal, replies
from openvet_install.gateway.addresses import AddressError, Authority, parse_authority, parse_target
from openvet_install.gateway.answers import Answers
from openvet_install.gateway.authority import RunAuthority, TlsSocket
from openvet_install.gateway.blobs import BlobError
from openvet_install.gateway.grammar import GrammarError, check_bodiless, complete, parse_request
from openvet_install.gateway.inner import INNER, InnerAnswers, Logs
from openvet_install.gateway.replies import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from openvet_install.gateway import Gatekeeper, PageStore
    from openvet_install.gateway.addresses import Target
    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.gateway.grammar import Request
    from openvet_install.gateway.upstream import Upstream

    Answering = Callable[[Request, Target], Answer]

HOST = "127.0.0.1"
USER = "openvet"
MAX_CONNECTIONS = 256  # at a time; uv opens about 50
BACKLOG = 128
MAX_PREFETCHED = 100  # pages of a run that are asked for before the child does
IDLE = 90.0  # seconds between two requests of a connection
HEAD_SECONDS = 20.0  # for one whole request head, and for a handshake
SEND_SECONDS = 120.0  # without the child taking a byte
LINGER_SECONDS = 1.0  # to let a refused client read why
LINGER_BYTES = 4 << 20  # of an unwanted body read meanwhile
STOP_SECONDS = 2.0  # for all threads to end
READ = 16 * 1024  # bytes
HANDSHAKE = 0x16  # a TLS record's first byte (RFC 8446, 5.1)

_TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"


class _HangUpError(Exception):
    """The connection is over; nothing more to say."""


class Gateway:
    """One run's proxy: start it with `with`, give `url` and `bundle` to the child.

    `url` is `http://openvet:TOKEN@127.0.0.1:PORT`; `bundle` is the path of a PEM file with the run's CA alone,
    in `folder`. After the end, `faults` holds what a keeper raised and every unexpected exception: with one
    of them in it the run cannot count as good.
    """

    def __init__(
        self,
        keeper: Gatekeeper,
        *,
        blobs: BlobStore,
        upstream: Upstream,
        folder: Path,
        inside: socket.socket | None = None,
        logs: Logs | None = None,
        pages: PageStore | None = None,
    ) -> None:
        """Take a private (0700) folder of this run, a store and the outward side, which is closed at the end.

        `inside` listens in the child's own network: then nothing listens in ours. It is closed at the end, too.
        With `logs` it serves gates inside this one, see `InnerAnswers`. `pages`: what other runs have got just now.
        """
        self._blobs = blobs
        self._keeper = keeper
        self._upstream = upstream
        self._folder = folder
        self._answers = Answers(keeper, blobs, upstream, pages, keeps_raw=logs is not None)
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._inside = inside
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._prefetched: set[str] = set()
        self.token = secrets.token_urlsafe(24)
        self.host = HOST
        self.port = 0
        self.bundle = folder / "ca.pem"
        self._inner_token = secrets.token_urlsafe(24)
        self._logins: list[tuple[bytes, Answering]] = [(_basic(USER, self.token), self._answers.answer)]
        if logs is not None:
            self._logins.append((_basic(INNER, self._inner_token), InnerAnswers(self._answers, logs).answer))

    @property
    def url(self) -> str:
        """The proxy's URL with the token as its password."""
        return f"http://{USER}:{self.token}@{self.host}:{self.port}"

    @property
    def inner_url(self) -> str:
        """The same proxy for a gate inside."""
        return f"http://{INNER}:{self._inner_token}@{self.host}:{self.port}"

    @property
    def turned_away(self) -> Mapping[str, int]:
        """The origins that refused a page, with the status that they said last: pip does not tell."""
        return dict(self._answers.turned_away)

    @property
    def faults(self) -> tuple[BaseException, ...]:
        """What went wrong inside: errors of the keeper, and bugs."""
        return tuple(self._answers.faults)

    def prefetch(self, urls: Iterable[str]) -> None:
        """Get pages that the child is sure to ask for, in the background."""
        for url in urls:
            with self._lock:
                if self._closing or url in self._prefetched or len(self._prefetched) >= MAX_PREFETCHED:
                    continue
                self._prefetched.add(url)
                thread = threading.Thread(target=self._answers.prefetch, args=(url,), name="openvet-ahead", daemon=True)
                self._threads.append(thread)
                thread.start()  # under the lock: the end waits for threads, and can for those only that run

    def __enter__(self) -> Self:
        """Make the CA, write the bundle, listen."""
        self._authority = RunAuthority(self._folder)
        handle = os.open(self.bundle, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(handle, "wb") as file:  # noqa: PTH123 - a handle
            file.write(self._authority.bundle)
        self._listener = self._inside or socket.create_server((HOST, 0), backlog=BACKLOG)
        self.port = self._listener.getsockname()[1]
        self._upstream.bind(private=self._keeper.private, own_port=0 if self._inside else self.port)
        listening = threading.Thread(target=self._listen, args=(self._listener,), name="openvet-listen", daemon=True)
        self._threads = [listening]
        listening.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port, end every connection and thread, remove the bundle."""
        with self._lock:
            self._closing = self._answers.closing = True
            connections, threads = dict(self._connections), list(self._threads)
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for sock in connections.values():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._upstream.close()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in (*threads, *connections):
            thread.join(max(deadline - time.monotonic(), 0.01))
        self.bundle.unlink(missing_ok=True)

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), name="openvet-client", daemon=True)
            with self._lock:
                if self._closing or len(self._connections) >= MAX_CONNECTIONS:
                    sock.close()
                    continue
                # A second handle: TLS takes the first one away, and the end must reach the socket either way.
                self._connections[thread] = sock.dup()
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._converse(sock)
        except (OSError, ValueError, _HangUpError):
            pass
        except Exception as error:  # noqa: BLE001 - kept for the end of the run
            self._answers.faults.append(error)
        finally:
            with self._lock:
                spare = self._connections.pop(threading.current_thread())
            spare.close()

    def _converse(self, sock: socket.socket) -> None:
        """Answer plain requests until the connection ends or becomes a tunnel."""
        received = bytearray()
        while True:
            request = self._receive(sock, received)
            answering = self._known(request)
            if answering is None:
                challenge = (("Proxy-Authenticate", 'Basic realm="openvet-install"'),)
                self._send(sock, request, Answer(status=407, headers=challenge, close=True))
                return
            if request.method == "CONNECT":
                authority = self._authority_of(sock, request, received)
                sock.sendall(_TUNNEL)
                self._tunnel(sock, authority, answering)
                return
            if not request.target.startswith("http://"):
                self._refuse(sock, 400, "not a proxy request", "requests to the gateway name an absolute http URL")
            target = self._checked(sock, request, None)
            if not self._respond(sock, request, target, answering):
                return

    def _tunnel(self, sock: socket.socket, authority: Authority, answering: Answering) -> None:
        """Speak TLS as the host that CONNECT named, and answer what is asked inside."""
        sock.settimeout(HEAD_SECONDS)
        first = sock.recv(1, socket.MSG_PEEK)
        if not first or first[0] != HANDSHAKE:
            return
        context = self._authority.context(authority.host)
        with context.wrap_socket(sock, server_side=True) as tls:
            asked = tls.asked if isinstance(tls, TlsSocket) else None
            received = bytearray()
            while True:
                request = self._receive(tls, received)
                named = asked if asked is not None else authority.host
                address = ":" in authority.host or authority.host.replace(".", "").isdigit()
                if named != authority.host or (asked is None and not address):
                    self._refuse(tls, 421, "Misdirected Request", "the TLS server name is not the host of the tunnel")
                if request.method == "CONNECT" or not request.target.startswith("/"):
                    self._refuse(tls, 400, "not an origin request", "requests inside a tunnel name a path")
                target = self._checked(tls, request, authority)
                if not self._respond(tls, request, target, answering):
                    return

    def _receive(self, sock: socket.socket, received: bytearray) -> Request:
        """Read one request head; hangs up after an error was answered."""
        try:
            deadline = 0.0
            while True:
                length = complete(received)
                if length:
                    break
                if received and not deadline:
                    deadline = time.monotonic() + HEAD_SECONDS
                sock.settimeout(max(deadline - time.monotonic(), 0.01) if deadline else IDLE)
                piece = sock.recv(READ)
                if not piece:
                    raise _HangUpError
                received += piece
            head = bytes(received[:length])
            del received[:length]
            return parse_request(head)
        except GrammarError as error:
            self._refuse(sock, error.status, "Bad Request", error.what)
        raise AssertionError

    def _checked(self, sock: socket.socket, request: Request, authority: Authority | None) -> Target:
        """Return what is asked for, canonically; hangs up on other methods, bodies and hosts."""
        if request.method not in ("GET", "HEAD"):
            self._refuse(
                sock, 403, f"{request.method} is not passed on", "the gateway reads from indexes, nothing else"
            )
        try:
            check_bodiless(request)
            target = parse_target(f"https://{authority}{request.target}" if authority else request.target)
            host = request.get("host")
            if host is not None and parse_authority(host, default_port=443 if authority else 80) != target.at:
                self._refuse(sock, 421, "Misdirected Request", "the `Host` header names another host")
        except (GrammarError, AddressError) as error:
            self._refuse(sock, 400, "Bad Request", error.what)
        if host is None and authority is not None:
            self._refuse(sock, 400, "Bad Request", "a `Host` header is missing")
        return target

    def _authority_of(self, sock: socket.socket, request: Request, received: bytearray) -> Authority:
        """Return where a CONNECT wants to go; hangs up on anything but one canonical host and port."""
        if received:
            self._refuse(sock, 400, "Bad Request", "bytes before the tunnel was opened")
        try:
            check_bodiless(request)
            authority = parse_authority(request.target, default_port=None)
            host = request.get("host")
            if host is not None and parse_authority(host, default_port=authority.port) != authority:
                self._refuse(sock, 421, "Misdirected Request", "the `Host` header names another host")
        except (GrammarError, AddressError) as error:
            self._refuse(sock, 400, "Bad Request", error.what)
        return authority

    def _known(self, request: Request) -> Answering | None:
        """Return who answers whoever knows this token."""
        scheme, _, given = (request.get("proxy-authorization") or "").partition(" ")
        said = given.strip().encode("latin-1")
        found = [answering for login, answering in self._logins if hmac.compare_digest(said, login)]
        return found[0] if found and scheme.lower() == "basic" else None

    def _respond(self, sock: socket.socket, request: Request, target: Target, answering: Answering) -> bool:
        """Answer a good request; False when the connection is to be closed."""
        answer = answering(request, target)
        self._send(sock, request, answer)
        return request.keeps_alive and not answer.close

    def _send(self, sock: socket.socket, request: Request, answer: Answer) -> None:
        sock.settimeout(SEND_SECONDS)
        head = answer.head(close=not request.keeps_alive)
        if request.method == "HEAD" or answer.status == 304:
            sock.sendall(head)
        elif answer.blob is None:
            sock.sendall(head + answer.body)
        else:
            self._send_file(sock, head, answer)

    def _send_file(self, sock: socket.socket, head: bytes, answer: Answer) -> None:
        """Send a file; of one that was changed on disk the client gets a refusal, or never the last piece."""
        blob = answer.blob
        assert blob is not None  # noqa: S101 - for the type checker
        whole = answer.length == blob.size
        try:
            for piece in self._blobs.whole(blob) if whole else self._blobs.part(blob, answer.start, answer.length):
                sock.sendall(head + piece)
                head = b""
        except BlobError as error:
            self._answers.faults.append(error)
            if not head:
                raise _HangUpError from error
            self._refuse(sock, 502, "stored file changed", error.what)

    def _refuse(self, sock: socket.socket, status: int, reason: str, detail: str) -> None:
        """Say no, let the client read it, hang up."""
        answer = replies.refusal(Refusal(status, reason, detail), close=True)
        sock.settimeout(LINGER_SECONDS)
        sock.sendall(answer.head(close=True) + answer.body)
        deadline, unread = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
        with suppress(OSError):
            if not isinstance(sock, TlsSocket):
                sock.shutdown(socket.SHUT_WR)
            while unread > 0 and (left := deadline - time.monotonic()) > 0:
                sock.settimeout(left)
                piece = sock.recv(READ)
                if not piece:
                    break
                unread -= len(piece)
        raise _HangUpError


def _basic(user: str, token: str) -> bytes:
    return base64.b64encode(f"{user}:{token}".encode())
