"""Objects of logs on this machine, by name: a place that saves time and is never believed.

SQLite in WAL mode, in a folder of mode 0700, shared by any number of processes. Every read hashes
again; a row that does not hash to its name is deleted and counts as absent. There are no flags such as
"verified". A database that cannot be read is replaced; one that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from openvet_install.openvet.faults import KINDS, Kind, object_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_LAYOUT = 3
_INCREMENTAL = 2
_BUSY_SECONDS = 10.0
_PENDING_ROWS = 512
_PENDING_NOTES = 8192
_PENDING_BYTES = 8 * 1024 * 1024
MAX_BYTES = 2 << 30
_CODES = {kind: code for code, kind in enumerate(KINDS, 1)}
_SCHEMA = (
    "DROP TABLE IF EXISTS objects",
    "DROP TABLE IF EXISTS hints",
    "CREATE TABLE objects(kind INTEGER, name BLOB, raw BLOB, PRIMARY KEY(kind, name))",
    """CREATE TABLE hints(log TEXT, audit BLOB, position BLOB, commit_name BLOB,
                          PRIMARY KEY(log, audit, position)) WITHOUT ROWID""",
    "DROP TABLE IF EXISTS subjects",
    """CREATE TABLE subjects(sha256 BLOB, log TEXT, subject BLOB,
                             PRIMARY KEY(sha256, log, subject)) WITHOUT ROWID""",
)


_PUT_HINT = """INSERT INTO hints VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET commit_name = excluded.commit_name
               WHERE commit_name != excluded.commit_name"""


class Stats(NamedTuple):
    """How many objects of each kind are kept, and the bytes that the database takes."""

    objects: dict[Kind, int]
    size_bytes: int


class Store:
    """Content-addressed bytes; safe for threads and for many processes. Losing it costs time only.

    Writes are gathered and written together; `flush` and leaving the context write what is left. Once closed it is
    empty and takes nothing. Beyond `max_bytes` the oldest quarter goes.
    """

    def __init__(self, folder: Path | None, *, max_bytes: int = MAX_BYTES) -> None:
        """Take the store in `folder`, opened or made when it is first used; None keeps everything in memory."""
        self._lock = threading.RLock()
        self._max_bytes = max_bytes
        self._gathered = 0
        self._closed = False
        self._pending: dict[tuple[int, bytes], bytes] = {}
        self._hints: dict[tuple[str, bytes, bytes], bytes] = {}
        self._subjects: set[tuple[bytes, str, bytes]] = set()
        self._path = None if folder is None else folder / "objects.db"
        self._opened: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close."""
        self.close()

    @property
    def folder(self) -> Path | None:
        """Where other processes find what was flushed; None while everything is in memory."""
        return None if self._path is None else self._path.parent

    def get(self, kind: Kind, name: bytes) -> bytes | None:
        """Return the bytes of an object, hashed in this call, or None."""
        key = (_CODES[kind], name)
        with self._lock:
            raw = self._pending.get(key)
            if raw is not None:
                return raw
            row = self._ask("SELECT raw FROM objects WHERE kind = ? AND name = ?", key)
            if not row:
                return None
            found = row[0][0]
            if isinstance(found, bytes) and object_name(found) == name:
                return found
            self._ask("DELETE FROM objects WHERE kind = ? AND name = ?", key)
            return None

    def has(self, kind: Kind, name: bytes) -> bool:
        """Tell whether a row is there, unhashed: good for deciding what to fetch ahead, for nothing else."""
        key = (_CODES[kind], name)
        with self._lock:
            return key in self._pending or bool(self._ask("SELECT 1 FROM objects WHERE kind = ? AND name = ?", key))

    def lacking(self, kind: Kind, names: Sequence[bytes]) -> list[bytes]:
        """Return those of some hundred names that have no row, unhashed as in `has`."""
        code = _CODES[kind]
        with self._lock:
            places = ", ".join("?" * len(names))
            rows = self._ask(f"SELECT name FROM objects WHERE kind = ? AND name IN ({places})", (code, *names))  # noqa: S608 - question marks
            known = {row[0] for row in rows}
            return [name for name in names if name not in known and (code, name) not in self._pending]

    def put(self, kind: Kind, name: bytes, raw: bytes) -> None:
        """Keep an object. Raises `ValueError` if `raw` does not hash to `name`."""
        if object_name(raw) != name:
            raise ValueError("these bytes have another name")
        with self._lock:
            self._pending[_CODES[kind], name] = raw
            self._gather(len(raw))

    def hint(self, log: str, audit: bytes, position: tuple[int, int], commit: bytes) -> None:
        """Note that in a log `audit` was inserted by `commit`; to be verified by whoever reads it."""
        place = b"".join(number.to_bytes(8, "big") for number in position)
        with self._lock:
            self._hints[log, audit, place] = commit
            self._gather(len(log))

    def hints(self, log: str, audit: bytes) -> tuple[bytes, ...]:
        """Return the commits that may have inserted `audit`, newest position first; nothing is verified."""
        with self._lock:
            self.flush()
            sql = "SELECT commit_name FROM hints WHERE log = ? AND audit = ? ORDER BY position DESC"
            return tuple(row[0] for row in self._ask(sql, (log, audit)) if isinstance(row[0], bytes))

    def note(self, log: str, sha256: bytes, subject: bytes) -> None:
        """Note that a commit of a log brought in an audit of a file with this digest, under this key of its tree."""
        with self._lock:
            self._subjects.add((sha256, log, subject))
            self._gather(len(subject))

    def noted(self, log: str, sha256: bytes) -> tuple[bytes, ...]:
        """Return the keys noted for a digest; good for knowing where to look, for nothing else."""
        with self._lock:
            if self._subjects:
                self.flush()
            rows = self._ask("SELECT subject FROM subjects WHERE sha256 = ? AND log = ?", (sha256, log))
            return tuple(row[0] for row in rows if isinstance(row[0], bytes))

    def flush(self) -> None:
        """Write what was gathered; where that fails it stays in memory for this run."""
        with self._lock:
            while not self._closed and (self._pending or self._hints or self._subjects):
                objects = [(kind, name, raw) for (kind, name), raw in self._pending.items()]
                subjects = sorted(self._subjects)
                hints = sorted((*key, commit) for key, commit in self._hints.items())
                try:
                    with self._database:
                        self._database.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", objects)
                        self._database.executemany(_PUT_HINT, hints)
                        self._database.executemany("INSERT OR IGNORE INTO subjects VALUES (?, ?, ?)", subjects)
                except sqlite3.OperationalError:
                    self._use_memory()
                except sqlite3.DatabaseError:
                    self._replace()
                else:
                    self._pending.clear()
                    self._hints.clear()
                    self._subjects.clear()
                    self._gathered = 0
                    if self._size() > self._max_bytes:
                        self._shrink(self._max_bytes * 3 // 4)

    def _gather(self, size: int) -> None:
        self._gathered += size
        rows, notes = len(self._pending), max(len(self._hints), len(self._subjects))
        if rows >= _PENDING_ROWS or notes >= _PENDING_NOTES or self._gathered >= _PENDING_BYTES:
            self.flush()

    def names(self, kind: Kind) -> Iterator[bytes]:
        """Yield the names of all objects of a kind that are kept now."""
        with self._lock:
            self.flush()
            rows = self._ask("SELECT name FROM objects WHERE kind = ?", (_CODES[kind],))
        yield from (row[0] for row in rows)

    def stats(self) -> Stats:
        """Count what is kept."""
        with self._lock:
            self.flush()
            counted: dict[int, int] = dict(self._ask("SELECT kind, COUNT(*) FROM objects GROUP BY kind"))
            return Stats({kind: counted.get(code, 0) for kind, code in _CODES.items()}, self._size())

    def clean(self, max_bytes: int) -> int:
        """Delete the oldest objects until the database has at most `max_bytes`; return the bytes freed."""
        with self._lock:
            self.flush()
            before = self._size()
            self._shrink(max_bytes)
            self._ask("PRAGMA wal_checkpoint(TRUNCATE)")
            return max(0, before - self._size())

    def _shrink(self, max_bytes: int) -> None:
        while (size := self._size()) > max_bytes:
            kept = self._rows()
            if not kept:
                self._ask("DELETE FROM hints")
                self._ask("DELETE FROM subjects")
                self._give_back()
                return
            rows = max(1, kept * (size - max_bytes) // size)
            self._ask("DELETE FROM objects WHERE rowid IN (SELECT rowid FROM objects ORDER BY rowid LIMIT ?)", (rows,))
            self._give_back()
            if self._rows() == kept:  # somebody else is writing
                return

    def _rows(self) -> int:
        return int((self._ask("SELECT COUNT(*) FROM objects") or [(0,)])[0][0])

    def clear(self) -> int:
        """Delete all objects and return the bytes freed; notes stay: they tell where bad news was seen."""
        with self._lock:
            self.flush()
            before = self._size()
            self._ask("DELETE FROM objects")
            self._give_back()
            self._ask("PRAGMA wal_checkpoint(TRUNCATE)")
            return max(0, before - self._size())

    def close(self) -> None:
        """Write what is left and close; safe to call twice."""
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                self.flush()
            self._closed = True
            if self._opened is not None:
                self._opened.close()

    @property
    def _database(self) -> sqlite3.Connection:
        """The connection, to be used under the lock; a run that looks for nothing never opens it."""
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _give_back(self) -> None:
        # `execute` would take a single step, that is free a single page.
        with contextlib.suppress(sqlite3.Error):
            self._database.executescript("PRAGMA incremental_vacuum")

    def _size(self) -> int:
        pages = self._ask("PRAGMA page_count") or [(0,)]
        size = self._ask("PRAGMA page_size") or [(0,)]
        return int(pages[0][0]) * int(size[0][0])

    def _ask(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        if self._closed:  # a thread that nobody waited for: a closed database must not pass for a damaged one
            return []
        try:
            if sql.startswith("SELECT"):  # opens no transaction that would have to be ended
                return self._database.execute(sql, tuple(values)).fetchall()
            with self._database:
                return self._database.execute(sql, tuple(values)).fetchall()
        except sqlite3.OperationalError:  # locked for too long, full disk, read-only: do without
            return []
        except sqlite3.DatabaseError:
            self._replace()
            return []

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            for _ in range(2):
                try:
                    self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._path.parent.chmod(0o700)
                    return self._connect(str(self._path))
                except sqlite3.OperationalError:
                    break
                except sqlite3.DatabaseError:
                    self._discard()
                except OSError:
                    break
        return self._connect(":memory:")

    def _connect(self, place: str) -> sqlite3.Connection:
        # Statements hold the lock, so one connection may serve all threads.
        database = sqlite3.connect(place, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            if database.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:  # saying it again is a write
                database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("BEGIN IMMEDIATE")
            if database.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
                for statement in _SCHEMA:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_LAYOUT}")
            database.commit()
            made = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
            if {row[0] for row in made} != {one for one in _SCHEMA if one.startswith("CREATE")}:
                # A view may never end, a trigger may hide what this run finds out.
                raise sqlite3.DatabaseError("not the tables that were made here")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _replace(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._discard()
        self._opened = self._open()

    def _use_memory(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._path = None
        self._opened = self._open()

    def _discard(self) -> None:
        if self._path is not None:
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink()
