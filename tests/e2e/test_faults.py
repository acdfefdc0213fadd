"""Nothing acknowledged is lost, whatever is killed; no attempt runs twice."""
import contextlib
import json
import os
import signal
import socket
import subprocess

from harness import finish, own_cluster, wait_until, write


def node_of(cluster, job):
    return cluster.await_state(job, "RUNNING")["attempts"][-1]["node"]


def count_starts(cluster, job):
    """How often a script that prints `begin` was started, by its log."""
    return cluster.devrun("logs", str(job)).out.count(b"begin\n")


def test_a_job_id_once_printed_survives_kill_9_of_the_controller(cluster):
    with cluster.filled():
        job = cluster.submit("echo begin; exit 11", "--cpus", "1")
        cluster.kill("controller")
        cluster.mend()
        assert cluster.show(job)["state"] == "QUEUED"
    record = cluster.await_end(job)
    assert record["ending"]["status"] == 11, record
    assert len(record["attempts"]) == 1 and count_starts(cluster, job) == 1, record


def test_a_running_job_goes_on_while_the_controller_is_away(cluster):
    job = cluster.submit("echo begin; sleep 2; echo end; exit 12")
    cluster.await_state(job, "RUNNING")
    cluster.kill("controller")
    cluster.mend()
    record = cluster.await_end(job)
    assert record["ending"]["status"] == 12, record
    assert cluster.devrun("logs", str(job)).out == b"begin\nend\n"


def test_an_attached_run_survives_a_restart_of_the_controller(cluster):
    child = cluster.start("--", "sh", "-c", "echo begin; read line; echo $line; exit 13")
    assert child.stdout.readline() == b"begin\n"
    cluster.kill("controller")
    cluster.mend()
    done = finish(child, b"word\n")
    assert done.status == 13 and done.out == b"word\n", done


def test_a_running_job_goes_on_while_its_agent_is_away(cluster):
    child = cluster.start("--", "sh", "-c", "echo begin; read line; echo $line; exit 14")
    assert child.stdout.readline() == b"begin\n"
    job = cluster.jobs()[-1]["job"]
    node = node_of(cluster, job)
    cluster.kill(node + ".agent")
    wait_until(lambda: f"{node} is silent" in cluster.devrun("explain", str(job)).out.decode(), "it is told")
    assert f"{node} is silent" in cluster.devrun("show", str(job)).out.decode()
    assert f"devrun: started again what had ended: {node}.agent\n" in cluster.mend().err
    assert "started again" not in cluster.mend().err, "nothing was missing"
    assert "silent" not in cluster.devrun("explain", str(job)).out.decode()
    done = finish(child, b"word\n")
    assert done.status == 14 and done.out == b"word\n", done
    assert len(cluster.show(job)["attempts"]) == 1


def test_a_job_that_ended_while_its_agent_was_away_has_its_status(cluster):
    job = cluster.submit("echo begin; sleep 1; exit 15")
    node = node_of(cluster, job)
    shims = shims_of(cluster, node)
    cluster.kill(node + ".agent")
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in shims), "the end of the job")
    cluster.mend()
    record = cluster.await_end(job)
    assert record["ending"]["status"] == 15 and count_starts(cluster, job) == 1, record


@own_cluster(nodes=1)
def test_a_set_up_that_its_agent_did_not_finish_begins_anew_with_all_of_stdin(cluster):
    write(cluster.live("root/another"), "a snapshot that the node has not mounted")
    files = cluster.pid("node1.fs")
    os.kill(files, signal.SIGSTOP)
    try:
        child = cluster.start("--", "cat")
        child.stdin.write(b"some words\n")
        child.stdin.flush()
        job = wait_until(lambda: next((job["job"] for job in cluster.jobs() if job["state"] == "STARTING"), None), "a job starts")
        attempt = f"{cluster.folder}/nodes/node1/attempts"
        wait_until(lambda: os.path.isdir(attempt) and os.listdir(attempt), "its set-up has begun")
        cluster.kill("node1.agent")
    finally:
        os.kill(files, signal.SIGCONT)
    cluster.mend()
    done = finish(child, b"and more\n")
    assert done.status == 0 and done.out == b"some words\nand more\n", done
    endings = [attempt["ending"]["cause"] for attempt in cluster.show(job)["attempts"]]
    assert endings == ["NOT_STARTED", "EXITED"], endings


def shims_of(cluster, node):
    return [pid for pid, words in processes() if os.path.basename(words[0]) == "devrun-shim"
            and any(f"{cluster.folder}/nodes/{node}/" in word for word in words)]


def processes():
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                    words = file.read().split("\0")
            except OSError:
                continue
            if words[0]:
                yield int(name), words


def processes_of_node(cluster, node):
    """Its daemons, and those who live in its mount namespace or in one made of it."""
    folder = f"{cluster.folder}/nodes/{node}"
    out = []
    for pid, words in processes():
        named = os.path.basename(words[0]).startswith("devrun-") and any(folder in word for word in words)
        try:
            with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="replace") as file:
                inside = folder + "/" in file.read()
        except OSError:
            inside = False
        if named or inside:
            out.append(pid)
    return out


def test_a_node_killed_in_the_middle_can_be_declared_lost(cluster):
    child = cluster.start("--", "sh", "-c", "echo begin; exec sleep 1000")
    assert child.stdout.readline() == b"begin\n"
    job = cluster.jobs()[-1]["job"]
    node = node_of(cluster, job)
    try:
        def killed():  # again and again: a keeper starts a dead devrun-fs anew
            left = processes_of_node(cluster, node)
            for pid in left:
                with contextlib.suppress(ProcessLookupError):  # the end of one ends others
                    os.kill(pid, signal.SIGKILL)
            return not left
        wait_until(killed, "the end of the node")
        cluster.await_state(job, "UNREACHABLE", limit_s=30)
        lost = cluster.devrun("nodes", "lost", node)
        assert lost.status == 0, lost
        done = finish(child, limit_s=30)
        assert done.status == 125, done
        assert node in done.err and "devrun: " in done.err, done
        assert cluster.show(job)["state"] == "NODE_LOST"
    finally:
        cluster.mend()
    for _ in range(3):
        assert cluster.devrun("true").status == 0



def test_a_node_that_is_connected_is_not_declared_lost(cluster):
    job = cluster.submit("exec sleep 1000")
    node = node_of(cluster, job)
    refused = cluster.devrun("nodes", "lost", node)
    assert refused.status == 125 and f"{node} is connected" in refused.err and "cancel" in refused.err, refused
    assert cluster.show(job)["state"] == "RUNNING"
    assert cluster.devrun("cancel", str(job)).status == 0
    cluster.await_end(job)


def test_a_second_agent_of_a_node_ends_at_once(cluster):
    pid = cluster.pid("node1.agent")
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        words = file.read().split("\0")[:-1]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=20)
    assert done.returncode == 3 and "another devrun-agent" in done.stdout, done
    assert cluster.pid("node1.agent") == pid
    assert cluster.devrun("true").status == 0


@own_cluster(nodes=1)
def test_damaged_pid_files_move_no_port_and_end_no_job(cluster):
    job = cluster.submit("exec sleep 1000")
    cluster.await_state(job, "RUNNING")
    with open(cluster.config, encoding="utf-8") as file:
        before = file.read()
    run = os.path.join(cluster.folder, "run")
    pids = {name: cluster.pid(name[:-4]) for name in os.listdir(run) if name.endswith(".pid")}
    for name in pids:
        with open(os.path.join(run, name), "w", encoding="ascii") as file:
            file.write("damaged\n")
    cluster.mend()
    with open(cluster.config, encoding="utf-8") as file:
        assert file.read() == before
    assert {name: cluster.pid(name[:-4]) for name in pids} == pids
    assert cluster.show(job)["state"] == "RUNNING"


@own_cluster(nodes=1)
def test_an_nfs_server_killed_in_the_middle_comes_back(cluster):
    cluster.kill("nfs")
    cluster.mend()
    with open(cluster.live("work/after-nfs"), "w", encoding="utf-8") as file:
        file.write("here\n")
    assert cluster.devrun("cat", "/work/after-nfs").out == b"here\n"


def test_a_shim_that_is_killed_takes_its_job_along_and_says_so(cluster):
    sleep = ["sleep", str(10**7 + os.getpid())]  # nobody else's on this machine
    job = cluster.submit(f"echo begin; exec {' '.join(sleep)}")
    node = node_of(cluster, job)
    # The container's first process is the shim's own program until it becomes the command.
    shims = wait_until(lambda: len(shims_of(cluster, node)) == 1 and shims_of(cluster, node), "one shim")
    os.kill(shims[0], signal.SIGKILL)
    record = cluster.await_end(job)
    assert record["ending"]["status"] == 125, record
    leftovers = [words for _, words in processes() if words[:2] == sleep]
    assert not leftovers, leftovers


@contextlib.contextmanager
def taken(port):
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def bound():
            with contextlib.suppress(OSError):
                thief.bind(("127.0.0.1", port))
                return True
            return False
        wait_until(bound, "whoever had the port lets go of it")
        thief.listen()
        yield


@own_cluster(nodes=1)
def test_a_port_that_somebody_took_is_named_and_not_exchanged(cluster):
    with open(os.path.join(cluster.folder, "cluster.json"), encoding="utf-8") as file:
        port = json.load(file)["controller_port"]
    child = cluster.start("--", "sh", "-c", "echo begin; read line; echo $line; exit 15")
    assert child.stdout.readline() == b"begin\n"
    cluster.kill("controller")
    with taken(port):
        done = cluster.devrun("up", "--store", cluster.folder)
        assert done.status == 125 and f"port {port}" in done.err, done
        assert f"is taken by process {os.getpid()} (" in done.err and "--new-ports" in done.err, done
    cluster.mend()
    done = finish(child, b"word\n")
    assert done.status == 15 and done.out == b"word\n", done
    cluster.kill("controller")
    with taken(port):
        assert cluster.devrun("up", "--store", cluster.folder, "--new-ports").status == 0
        assert cluster.devrun("echo", "there").out == b"there\n"


@own_cluster(nodes=1)
def test_two_clusters_that_come_up_at_once_choose_different_ports(cluster):
    folders = [os.path.join(cluster.home, name) for name in ("left", "right")]
    try:
        ups = [cluster.start("up", "--store", folder, "--driver", "scan") for folder in folders]
        ended = [finish(up, limit_s=100) for up in ups]
        assert [done.status for done in ended] == [0, 0], ended
        ports = set()
        for folder in [*folders, cluster.folder]:
            with open(os.path.join(folder, "cluster.json"), encoding="utf-8") as file:
                record = json.load(file)
            ports |= {record["controller_port"], record["nfs_port"]}
        assert len(ports) == 6, ports
    finally:
        for folder in folders:
            cluster.devrun("down", "--store", folder, "--purge", "--yes")
