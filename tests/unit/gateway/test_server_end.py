"""The end of a gateway while it is still being given work."""

import threading
import time

from tests.support.gatekeepers import Permissive, gateway


def test_it_ends_while_a_page_is_being_got_ahead(tmp_path, monkeypatch):
    start = threading.Thread.start

    def slowly(thread):
        if thread.name == "openvet-ahead":
            time.sleep(0.2)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    with gateway(Permissive(), tmp_path) as running:
        asking = threading.Thread(target=running.prefetch, args=(["http://127.0.0.1:9/simple/a/"],))
        asking.start()
        time.sleep(0.05)
    asking.join()
