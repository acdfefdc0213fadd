"""`devrun cp` and `devrun port-forward`: files and TCP between here and a job."""
import contextlib
import hashlib
import os
import re
import socket
import socketserver
import threading

from harness import finish, wait_until


def running(cluster, script, *options):
    job = cluster.submit(script, *options)
    cluster.await_state(job, "RUNNING")
    return job


def test_files_and_folders_come_out_of_a_running_job(cluster):
    job = running(cluster, "mkdir -p out/deep; head -c 3000000 /dev/urandom > out/big; echo x > out/deep/x; "
                           "ln -s deep/x out/link; ln -s /etc/passwd out/abs; chmod 640 out/deep/x; "
                           "touch -d @1000000000 out/deep/x; touch /tmp/ready; sha256sum out/big; sleep 1000",
                  "-C", "/work")
    try:
        wait_until(lambda: cluster.devrun("exec", str(job), "test", "-e", "/tmp/ready").status == 0, "the files are there")
        here = os.path.join(cluster.home, "copied")
        os.mkdir(here)
        done = cluster.devrun("cp", f"{job}:out", here)
        assert done.status == 0 and "copied 4 files" in done.err, done
        digest = wait_until(lambda: cluster.devrun("logs", str(job)).out.split()[:1], "its digest")[0].decode()
        with open(f"{here}/out/big", "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == digest
        st = os.stat(f"{here}/out/deep/x")
        assert st.st_mode & 0o7777 == 0o640 and st.st_mtime == 1000000000
        assert os.readlink(f"{here}/out/link") == "deep/x" and os.readlink(f"{here}/out/abs") == "/etc/passwd"
        # A file, under a name of its own; again over what is there; through a link that is asked for itself.
        for source in ("/work/out/deep/x", "out/deep/x", "out/link"):
            done = cluster.devrun("cp", "-q", f"{job}:{source}", f"{here}/named")
            assert done.status == 0 and done.err == "", done
            with open(f"{here}/named", "rb") as file:
                assert file.read() == b"x\n"
        done = cluster.devrun("cp", f"{job}:/nowhere", here)
        assert done.status != 0 and "/nowhere" in done.err, done
        done = cluster.devrun("cp", f"{job}:out/big", f"{here}/no/such/folder")
        assert done.status == 125 and "no/such" in done.err, done
        done = cluster.devrun("cp", f"{job}:out/deep/x", f"{here}/out/deep/x/y")
        assert done.status == 125, done
    finally:
        cluster.devrun("cancel", str(job))


def test_holes_are_not_copied_and_what_is_left_out_is_named(cluster):
    job = running(cluster, "mkdir out; echo end | dd of=out/sparse bs=1 seek=3000000000 2>/dev/null; mkfifo out/pipe; "
                           "touch /tmp/ready; sleep 1000", "-C", "/work")
    try:
        wait_until(lambda: cluster.devrun("exec", str(job), "test", "-e", "/tmp/ready").status == 0, "the files are there")
        here = os.path.join(cluster.home, "holes")
        os.mkdir(here)
        done = cluster.devrun("cp", f"{job}:out", here)
        assert done.status == 0 and "out/pipe" in done.err and "left out" in done.err, done
        st = os.stat(f"{here}/out/sparse")
        assert st.st_size == 3_000_000_004 and st.st_blocks * 512 < 1_000_000, st
        assert not os.path.lexists(f"{here}/out/pipe")
        with open(f"{here}/out/sparse", "rb") as file:
            file.seek(3_000_000_000)
            assert file.read() == b"end\n"
    finally:
        cluster.devrun("cancel", str(job))


def test_cp_says_what_is_wrong(cluster):
    for words, text in ((("cp", "42"), "expected JOB:PATH and DEST"), (("cp", "42:", "."), "is not JOB:PATH"),
                        (("cp", "42:/", "."), "has no name of its own")):
        done = cluster.devrun(*words)
        assert done.status == 2 and text in done.err, done
    job = cluster.submit("true")
    cluster.await_end(job)
    done = cluster.devrun("cp", f"{job}:/etc/passwd", cluster.home)
    assert done.status == 125 and "has ended" in done.err, done
    assert f"devrun changes {job}" in done.err and f"devrun apply {job} /etc/passwd" in done.err, done


SERVER = """
import base64, hashlib, http.server, os, socket, struct, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode())
    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return self.websocket()
        self.answer(b"n" * int(self.path.rsplit("/", 1)[1]))
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def websocket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2 or head[0] & 15 == 8: return
            size = head[1] & 127
            if size == 126: size, = struct.unpack(">H", self.rfile.read(2))
            mask = self.rfile.read(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(size)))
            data = data.upper()
            self.wfile.write(bytes([0x81]) + (bytes([size]) if size < 126 else b"\\x7e" + struct.pack(">H", size)) + data)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


class Forwarder:
    def __init__(self, cluster, job, *remotes):
        self.child = cluster.start("port-forward", str(job), *[f"0:{remote}" for remote in remotes])
        self.ports = []
        for _ in remotes:
            line = self.child.stderr.readline().decode()
            self.ports.append(int(re.search(r"127\.0\.0\.1:(\d+) is port", line)[1]))

    def connect(self, index=0):
        out = socket.create_connection(("127.0.0.1", self.ports[index]), timeout=30)
        return out

    def end(self):
        self.child.terminate()
        return self.child.wait(30)


def receive(sock, count):
    out = b""
    while len(out) < count:
        data = sock.recv(count - len(out))
        assert data, f"{len(out)} of {count}"
        out += data
    return out


class Echo(socketserver.ThreadingTCPServer):
    """Answers what it gets, each connection to its end, then how much that was. In this process, on the loopback that the
    job's node has, too."""
    daemon_threads = True
    request_queue_size = 128

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            count = 0
            with contextlib.suppress(OSError):
                while data := self.request.recv(65536):
                    count += len(data)
                    self.request.sendall(data)
                self.request.sendall(b" %d" % count)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def exchange(forwarder, data, index=0):
    """What comes back for `data` and the end of our side."""
    with forwarder.connect(index) as sock:
        def send():
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        got = b""
        while more := sock.recv(65536):
            got += more
        sender.join()
    return got


def test_connections_through_a_forwarded_port(cluster):
    # One server in the job itself, busybox's nc, and one on its node.
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = free.getsockname()[1]
    job = running(cluster, f"while :; do nc -ll -p {own} -e sh -c 'echo hello; wc -c'; sleep 0.1; done & sleep 1000")
    # In a loop: somebody's connection may have that port for a moment.
    with Echo() as echo:
        forwarder = Forwarder(cluster, job, own, echo.server_address[1])
        try:
            def answers():
                with contextlib.suppress(OSError):
                    return exchange(forwarder, b"x" * 1_000_000) == b"hello\n1000000\n"
            wait_until(answers, "the job's own server answers, and sees the end of our side")
            # Many at once, one of which reads nothing and holds up nobody.
            lazy = forwarder.connect(1)
            lazy.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                while True:
                    lazy.sendall(b"z" * 100_000)
            wrong = []

            def one(number):
                data = os.urandom(300_000)
                try:
                    if exchange(forwarder, data, 1) != data + b" 300000":
                        wrong.append(number)
                except OSError as error:
                    wrong.append((number, error))
            threads = [threading.Thread(target=one, args=(n,)) for n in range(30)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not wrong, wrong
            lazy.close()
            cluster.kill("controller")
            cluster.mend()
            assert exchange(forwarder, b"after a restart", 1) == b"after a restart 15"
        finally:
            forwarder.end()
            cluster.devrun("cancel", str(job))
            echo.shutdown()


def test_a_notebook_like_exchange_works(cluster):
    """HTTP with kept connections, large bodies, and a websocket, as a notebook's browser makes them."""
    import shutil
    import struct
    import subprocess
    import sys
    import tempfile
    import http.client
    # The volume has no Python: the server runs beside the job, on the same node's loopback, which is what is forwarded to.
    with tempfile.TemporaryDirectory(prefix="devrun-notebook-") as folder:
        script = os.path.join(folder, "server.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write(SERVER)
        server = subprocess.Popen([sys.executable or shutil.which("python3"), script], stdout=subprocess.PIPE)
        try:
            port = int(server.stdout.readline())
            job = running(cluster, "sleep 1000")
            forwarder = Forwarder(cluster, job, port)
            try:
                http_client = http.client.HTTPConnection("127.0.0.1", forwarder.ports[0], timeout=30)
                for size in (0, 10, 5_000_000):  # one connection for all
                    http_client.request("GET", f"/static/{size}")
                    assert len(http_client.getresponse().read()) == size
                body = os.urandom(2_000_000)
                http_client.request("POST", "/api/contents", body)
                assert http_client.getresponse().read().decode() == hashlib.sha256(body).hexdigest()
                with forwarder.connect() as sock:
                    sock.sendall(b"GET /api/kernels/1/channels HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                                 b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += sock.recv(1)
                    assert b"101" in head and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
                    for text in (b"print(1)", b"x" * 5000):
                        size = bytes([128 | len(text)]) if len(text) < 126 else b"\xfe" + struct.pack(">H", len(text))
                        sock.sendall(b"\x81" + size + bytes(4) + text)
                        answer = receive(sock, 2)
                        length = answer[1] if answer[1] < 126 else struct.unpack(">H", receive(sock, 2))[0]
                        assert receive(sock, length) == text.upper()
            finally:
                forwarder.end()
                cluster.devrun("cancel", str(job))
        finally:
            server.kill()
            server.wait()


def test_port_forward_says_what_is_wrong(cluster):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cluster.devrun("port-forward", "1", f"{port}:80")
        assert done.status == 125 and f"port {port} is taken" in done.err, done
    done = cluster.devrun("port-forward", "1", "70000")
    assert done.status == 2 and "is not a port" in done.err, done


def test_sessions_say_that_the_job_has_ended(cluster):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    for status in (0, 3):
        job = running(cluster, f"touch /tmp/up; while test -e /tmp/up; do sleep 0.1; done; exit {status}")
        forwarder = Forwarder(cluster, job, nobody)
        for _ in range(2):
            with contextlib.suppress(OSError), forwarder.connect() as sock:
                sock.recv(1)
        inside = cluster.start("exec", str(job), "sh", "-c", "echo in; exec sleep 1000")
        assert inside.stdout.readline() == b"in\n"
        assert cluster.devrun("exec", str(job), "rm", "/tmp/up").status == 0
        done = finish(inside)
        ended = f"job {job} has ended {'FAILED' if status else 'SUCCEEDED'}"
        assert done.status == 137 and f"{ended}, and the program was killed with it" in done.err, done
        done = finish(forwarder.child)
        assert done.status == status and f"{ended}: nothing is forwarded any more" in done.err, done
        assert done.err.count(f"port {nobody} of job {job}: nothing listens there (yet); said once") == 1, done
