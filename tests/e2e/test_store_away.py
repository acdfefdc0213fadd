"""The NFS server hangs: who reads what the node lacks waits, the cluster says so, and a job can still be cancelled."""
import contextlib
import json
import os
import signal

from harness import programs, wait_until

PROMPT_S = 20


@contextlib.contextmanager
def hanging(cluster):
    server = cluster.pid("nfs")
    os.kill(server, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server, signal.SIGCONT)


@contextlib.contextmanager
def ended_at_last():
    children = []
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


def readers_of(name):
    return [words for _, words in programs() if any(name in word for word in words)]


def test_a_job_that_waits_for_the_store_can_be_cancelled(cluster):
    name = f"cold-{os.getpid()}"
    content = os.urandom(5 << 20)
    for suffix in ("file", "small"):
        with open(cluster.live(f"work/{name}-{suffix}"), "wb") as file:
            file.write(content if suffix == "file" else content[:9000])
    program = cluster.live(f"work/{name}-program")
    with open("/bin/busybox", "rb") as source, open(program, "wb") as file:
        file.write(source.read() + os.urandom(64))  # nobody has it yet
    os.chmod(program, 0o755)
    script = (f"echo ready; read line; cat /work/{name}-file > /dev/null & cat /work/{name}-small > /dev/null & "
              f"/work/{name}-program true & wait")
    with cluster.start("--", "sh", "-c", script) as child:
        assert child.stdout.readline() == b"ready\n"
        job = max(one["job"] for one in cluster.jobs())
        node = cluster.show(job)["attempts"][-1]["node"]
        with hanging(cluster):
            child.stdin.write(b"go\n")
            child.stdin.flush()
            wait_until(lambda: len(readers_of(f"{name}-")) >= 3, "the readers")
            wait_until(lambda: "has not answered" in cluster.devrun("nodes", "show", node).out.decode(),
                       "the node says that the store is away")
            for word in ("explain", "show"):
                said = cluster.devrun(word, str(job)).out.decode()
                assert f"on {node} the store has not answered for" in said and "devrun up" in said, said
            assert cluster.devrun("cancel", str(job)).status == 0
            cluster.await_state(job, "CANCELLED", limit_s=PROMPT_S)
            wait_until(lambda: not readers_of(f"{name}-"), "the end of all readers", PROMPT_S)
        assert child.wait(PROMPT_S) == 130
    assert cluster.devrun("-q", "cat", f"/work/{name}-file").out == content
    wait_until(lambda: "answers" in cluster.devrun("nodes", "show", node).out.decode(), "the store is back")


def test_nodes_show_tells_what_the_cache_did(cluster):
    name = f"cached-{os.getpid()}"
    with open(cluster.live(f"work/{name}"), "wb") as file:
        file.write(os.urandom(3 << 20))
    job = cluster.submit(f"cat /work/{name} > /dev/null")
    assert cluster.await_end(job)["state"] == "SUCCEEDED"
    node = cluster.show(job)["attempts"][-1]["node"]

    def files():
        return json.loads(cluster.devrun("nodes", "show", node, "--json").out)["nodes"][0]["files"]
    wait_until(lambda: files().get("cache.bytes", 0) >= 3 << 20, "the file is in the cache")
    assert files()["cache.bytes_max"] > 3 << 20 and files()["nfs.bytes_read"] >= 3 << 20, files()
    text = cluster.devrun("nodes", "show", node).out.decode()
    for word in ("cache", "hits", "evicted", "NFS calls", node):
        assert word in text, text
    wrong = cluster.devrun("nodes", "show", "nodule1")
    assert wrong.status == 125 and "no node 'nodule1'" in wrong.err, wrong


def test_a_new_job_waits_for_the_store_says_so_and_runs_when_it_is_back(cluster):
    name = f"new-{os.getpid()}"
    with open(cluster.live(f"work/{name}"), "w") as file:
        file.write("news")  # a snapshot that no node has
    with hanging(cluster), ended_at_last() as children:
        children += [cluster.start("--", "cat", f"/work/{name}"), cluster.start("--", "true")]
        child, other = children

        def waiting():
            return [one for one in cluster.jobs()
                    if one["state"] == "STARTING" and "waits for the store" in one["reason"]]
        wait_until(lambda: len(waiting()) == 2, "both jobs say that they wait for the store", 60)
        first, second = (one["job"] for one in sorted(waiting(), key=lambda one: one["argv"][0] != "cat"))
        for word in ("explain", "show"):
            assert "waits for the store" in cluster.devrun(word, str(first)).out.decode(), word
        assert cluster.devrun("cancel", str(second)).status == 0
        assert other.wait(PROMPT_S) == 130
        os.kill(cluster.pid("nfs"), signal.SIGCONT)
        assert child.communicate(timeout=60)[0] == b"news" and child.returncode == 0
    assert cluster.await_end(first)["state"] == "SUCCEEDED"
