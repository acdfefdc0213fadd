"""devrun-fs killed and exchanged under running jobs: they go on, and nobody reads a wrong byte.

The reader makes every read an upcall by throwing the pages away again (fadvise); new jobs run in new snapshots, so that
their folders are looked up and listed anew; programs are executed, which maps their pages.
"""
import hashlib
import json
import os
import random
import signal
import stat
import time

from harness import finish, own_cluster, wait_until
from python_volume import put_python
from test_cluster import other_build

KILLS = 20
FILES = 300

READER = r"""
import hashlib, json, mmap, os, random, subprocess, sys, threading
with open("/data/sums.json") as file: sums = json.load(file)
reads = 0
wrong = []
def check(name, data):
    if hashlib.sha256(data).hexdigest() != sums[name]: wrong.append(f"{name}: {len(data)} bytes are others")
def read(seed):
    global reads
    random.seed(seed)
    while not os.path.exists("/tmp/stop") and not wrong:
        name = random.choice(list(sums))
        try:
            fd = os.open("/data/many/" + name, os.O_RDONLY)
            if random.random() < 0.5:
                with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped: data = mapped[:]
            else:
                data = b""
                while part := os.read(fd, 1 << 16): data += part
            check(name, data)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
        except OSError as error:
            wrong.append(f"{name}: {error}")
        reads += 1
def walk():
    while not os.path.exists("/tmp/stop") and not wrong:
        done = subprocess.run(["/bin/busybox", "find", "/data", "/usr", "-xdev"], stdout=subprocess.PIPE)
        found = done.stdout.decode().count("/data/many/")
        if done.returncode != 0 or found != len(sums): wrong.append(f"find: {done.returncode}, {found} files")
threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)] + [threading.Thread(target=walk)]
for thread in threads: thread.start()
print("begin", flush=True)
for thread in threads: thread.join()
print(json.dumps({"reads": reads, "wrong": wrong}))
sys.exit(1 if wrong else 0)
"""


def fill(cluster):
    """Python and some files in the live volume, and the checksums of these."""
    live = cluster.live("")
    many = os.path.join(live, "data/many")
    os.makedirs(many)
    sums = {}
    for i in range(FILES):
        data = os.urandom(random.choice([100, 5000, 200_000, 2_000_000 if i % 30 == 0 else 70_000]))
        with open(os.path.join(many, f"f{i}"), "wb") as file:
            file.write(data)
        sums[f"f{i}"] = hashlib.sha256(data).hexdigest()
    with open(os.path.join(live, "data/sums.json"), "w", encoding="ascii") as file:
        json.dump(sums, file)
    with open(os.path.join(live, "work/reader.py"), "w", encoding="ascii") as file:
        file.write(READER)
    return put_python(live.rstrip("/"))


def start_reader(cluster):
    """The volume filled, and a job that reads; where its Python lies, and the job."""
    python = fill(cluster)
    reader = cluster.submit(f"exec {python} /work/reader.py", "--cpus", "0.5")
    wait_until(lambda: b"begin" in cluster.devrun("logs", str(reader)).out, "the reader reads")
    return python, reader


def restart_of(cluster, daemon, pid):
    return wait_until(lambda: cluster.pid(daemon) not in (None, pid) and cluster.pid(daemon), f"{daemon} runs again")


def kill_under_load(cluster, kills=KILLS):
    python, reader = start_reader(cluster)
    cluster.await_state(reader, "RUNNING")
    chance = random.Random(5)
    for turn in range(kills):
        with open(cluster.live("work/turn"), "w", encoding="ascii") as file:
            file.write(f"{turn}\n")
        imports = "import json, http.client, email.message, xml.dom.minidom, unittest, decimal"
        job = cluster.start("--cpus", "0.3", "--", python, "-c",
                            f"{imports}; print(open('/work/turn').read(), end='')")
        time.sleep(chance.uniform(0, 0.4))  # any moment of a job's start may be hit
        pid = cluster.pid("node1.fs")
        os.kill(pid, 9)
        restart_of(cluster, "node1.fs", pid)
        done = finish(job)
        assert (done.status, done.out) == (0, b"%d\n" % turn), (turn, done)
        assert cluster.show(reader)["state"] == "RUNNING", cluster.devrun("logs", str(reader))
    assert cluster.devrun("exec", str(reader), "--", "touch", "/tmp/stop").status == 0
    record = cluster.await_end(reader)
    said = cluster.devrun("logs", str(reader)).out.decode()
    assert record["state"] == "SUCCEEDED", (record, said)
    assert json.loads(said.splitlines()[-1])["reads"] > kills, said
    assert "broken" not in cluster.devrun("nodes").out.decode()


@own_cluster(nodes=1)
def test_jobs_go_on_while_the_file_system_server_is_killed_20_times(cluster):
    kill_under_load(cluster)


@own_cluster(nodes=1, environment={"DEVRUN_FS_RESEND": "no"})
def test_and_so_they_do_where_the_kernel_sends_nothing_again(cluster):
    kill_under_load(cluster, kills=6)
    with open(os.path.join(cluster.folder, "run/node1.fs.log"), encoding="utf-8") as file:
        said = file.read()
    assert "were taken and not answered" in said and "the kernel sends" not in said, said


@own_cluster(nodes=1)
def test_another_build_takes_over_under_load(cluster):
    _, reader = start_reader(cluster)
    before = cluster.pid("node1.fs")
    cluster.bin = other_build(cluster)
    done = cluster.up()
    assert "another devrun-fs takes over" in done.err, done
    after = cluster.pid("node1.fs")
    assert after != before and os.readlink(f"/proc/{after}/exe").startswith(cluster.bin), after
    assert cluster.devrun("cat", "/work/version").out == b"one\n"
    assert cluster.devrun("exec", str(reader), "--", "touch", "/tmp/stop").status == 0
    record = cluster.await_end(reader)
    assert record["state"] == "SUCCEEDED", (record, cluster.devrun("logs", str(reader)))


@own_cluster(nodes=1)
def test_down_ends_a_node_whose_file_system_server_stands_still(cluster):
    """Readers wait in the kernel then, and threads of the server may too, for one another."""
    _, reader = start_reader(cluster)
    server = cluster.pid("node1.fs")
    os.kill(server, signal.SIGSTOP)
    folder = f"/proc/{server}/task"
    wait_until(lambda: all(stands_still(f"{folder}/{thread}/stat") for thread in os.listdir(folder)), "it stands still")
    done = cluster.devrun("down", "--store", cluster.folder, limit_s=60)
    assert done.status == 0, done
    # Only what waits for its parent may be left of it.
    wait_until(lambda: not os.path.exists(folder) or all(stands_still(f"{folder}/{thread}/stat", "Z")
                                                         for thread in os.listdir(folder)), "its threads have gone too")


def stands_still(stat_file, states="TD"):
    """Whether the thread is in one of those states: stopped, or waiting in the kernel, and cannot be woken."""
    try:
        with open(stat_file, encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in states
    except OSError:  # it has ended since the folder was read
        return True


def no_takeover(cluster):
    """From now on, whatever starts as the node's devrun-fs cannot take its mounts over."""
    cluster.bin = other_build(cluster)
    cluster.up()
    program = os.path.join(cluster.bin, "devrun-fs")
    os.rename(program, program + ".good")
    with open(program, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho it is of no use >&2\nexit 4\n")
    os.chmod(program, stat.S_IRWXU)
    return lambda: os.rename(program + ".good", program)


@own_cluster(nodes=1)
def test_what_cannot_be_taken_over_is_an_error_and_no_hang(cluster):
    mend = no_takeover(cluster)
    # One job needs nothing of its files, the other waits for them in the kernel when they have gone.
    sleeper = cluster.start("--cpus", "0.3", "--", "sh", "-c", "echo begin; exec sleep 1000")
    reader = cluster.start("--cpus", "0.3", "--", "sh", "-c",
                           "echo begin; read go; cat /data/blob; echo $?; exec sleep 1000", cwd="/")
    for child in (sleeper, reader):
        assert child.stdout.readline() == b"begin\n"
    cluster.kill("node1.fs")
    for child in (sleeper, reader):
        done = finish(child, b"go\n")
        assert done.status == 125 and "devrun-fs has ended" in done.err, done
    nodes = lambda: cluster.devrun("nodes").out.decode()  # noqa: E731
    wait_until(lambda: "node1 takes no jobs: its devrun-fs has ended" in nodes(), "the node's reason")
    assert "broken" in nodes(), nodes()
    job = cluster.submit("true")
    explained = cluster.devrun("explain", str(job)).out.decode()
    assert "devrun-fs has ended" in explained and cluster.show(job)["state"] == "QUEUED", explained
    mend()
    cluster.mend()
    assert cluster.await_end(job)["state"] == "SUCCEEDED"
    assert "broken" not in nodes(), nodes()
    assert cluster.devrun("cat", "/data/blob").out == cluster.blob


@own_cluster(nodes=1)
def test_jobs_of_a_node_that_up_starts_anew_are_lost_and_not_failed(cluster):
    mend = no_takeover(cluster)
    job = cluster.submit("exec sleep 1000")
    cluster.await_state(job, "RUNNING")
    cluster.kill("node1.agent")
    cluster.kill("node1.fs")
    wait_until(lambda: "cannot be started again" in cluster.logs(), "the keeper gives up")
    mend()
    cluster.mend()
    record = cluster.await_end(job)
    assert record["state"] == "NODE_LOST" and record["ending"]["status"] == 125, record
    assert "devrun-fs of node1 had ended" in record["ending"]["reason"], record


@own_cluster(nodes=1)
def test_a_takeover_needs_no_store(cluster):
    job = cluster.submit("cat /work/version; echo ready; while ! [ -e /tmp/go ]; do sleep 0.05; done; "
                         "cat /work/version /data/blob | wc -c; ls /work | wc -l")
    wait_until(lambda: b"ready" in cluster.devrun("logs", str(job)).out, "the job has read a file")
    cluster.kill("nfs")
    pid = cluster.pid("node1.fs")
    os.kill(pid, 9)
    restart_of(cluster, "node1.fs", pid)
    listed = cluster.devrun("exec", str(job), "--", "ls", "/data", "/home")
    assert listed.status == 0 and b"blob" in listed.out and b"ada" in listed.out, listed
    assert cluster.devrun("exec", str(job), "--", "touch", "/tmp/go").status == 0
    cluster.mend()
    assert cluster.await_end(job)["state"] == "SUCCEEDED"
    said = cluster.devrun("logs", str(job)).out.split()
    assert int(said[2]) == 4 + len(cluster.blob), said


@own_cluster(nodes=1)
def test_agent_and_file_system_server_may_die_together(cluster):
    job = cluster.submit("while ! [ -e /tmp/go ]; do sleep 0.05; done; cat /work/version")
    cluster.await_state(job, "RUNNING")
    pid = cluster.pid("node1.fs")
    cluster.kill("node1.agent")
    os.kill(pid, 9)
    restart_of(cluster, "node1.fs", pid)
    cluster.mend()
    assert cluster.devrun("exec", str(job), "--", "touch", "/tmp/go").status == 0
    assert cluster.await_end(job)["state"] == "SUCCEEDED"
    assert cluster.devrun("logs", str(job)).out == b"one\n"
