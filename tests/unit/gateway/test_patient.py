import threading

from openvet_install.gateway import connections
from openvet_install.gateway.connections import Patient


def a_pool_of(size):
    queue = Patient(size)
    for _ in range(size):
        queue.put(None)
    return queue


def test_the_first_connection_is_made_at_once(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 60.0)
    assert a_pool_of(3).get() is None


def test_a_connection_that_comes_back_is_taken_before_one_is_made(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 60.0)
    queue = a_pool_of(3)
    queue.get()
    threading.Timer(0.05, queue.put, ["used"]).start()
    assert queue.get() == "used"


def test_after_a_moment_a_new_one_is_made(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.01)
    queue = a_pool_of(3)
    queue.get()
    assert queue.get() is None


def test_an_idle_connection_is_taken_at_once(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 60.0)
    queue = a_pool_of(3)
    queue.get()
    queue.put("used")
    assert queue.get() == "used"


def test_who_does_not_want_to_wait_does_not(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 60.0)
    queue = a_pool_of(3)
    queue.get()
    assert queue.get(block=False) is None
