"""`devrun backup` and `devrun restore`, by drill: what was lost comes back, what ran goes on, and nothing runs twice."""
import contextlib
import fcntl
import glob
import json
import os
import shutil
import subprocess

from harness import own_cluster, wait_until
from test_users import User

COUNTS = "i=0; until [ -e $DEVRUN_SHARED/{go} ]; do echo {name} $i; i=$((i+1)); sleep 0.1; done; echo {name} whole"


def succeed(cluster, *words, **more):
    done = cluster.devrun(*words, **more)
    assert done.status == 0, (words, done)
    return done


def store(cluster):
    return f"/proc/{cluster.pid('store.keeper')}/root{cluster.folder}/store"


def assert_whole(cluster):
    """The store, as devrun-controller fsck sees it while no controller runs."""
    cluster.kill("controller")
    check = [os.path.join(cluster.bin, "devrun-controller"), "fsck", "--data", "--store", store(cluster)]
    done = subprocess.run(check, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0 and "no damage" in done.stdout, done
    cluster.mend()


def let_go(cluster, job, name="go"):
    folder = os.path.join(cluster.folder, "shared", str(job))
    wait_until(lambda: os.path.isdir(folder), f"the shared folder of {job}")
    with open(os.path.join(folder, name), "w", encoding="ascii"):
        pass


def processes(mark):
    """Programs that have this in their environment."""
    out = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                if mark.encode() in file.read().split(b"\0"):
                    out.append(int(name))
    return out


def files_below(folder):
    out = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                out[os.path.relpath(path, folder)] = (os.stat(path).st_mode & 0o777, file.read())
    return out


@own_cluster(nodes=2)
def test_a_controllers_state_comes_back(cluster):
    os.mkdir(os.path.join(cluster.home, "people"))
    ada = User(cluster, "ada")
    ada.make_volume("adas", {"work/data": "of ada\n"})
    succeed(cluster, "user", "add", "bob", "--group", "vision")
    assert ada.devrun("volume", "share", "adas", "@vision", "--read").status == 0
    succeed(cluster, "snapshot", "create", "-m", "to keep", "box")
    succeed(cluster, "volume", "paths", "box", "--kept", "/work")
    ended = cluster.submit("echo out; echo err >&2; exit 3", "--name", "ended", "-e", "SECRET=1")
    array = cluster.submit("exit $DEVRUN_TASK", "--array", "0-1")
    for job in (ended, array):
        cluster.await_end(job)

    # Cores: 2 nodes of one each at least; half ones run, a whole one, and others wait.
    cores = str(int(max(1, (os.cpu_count() or 1) / 2)))
    runs = cluster.submit(COUNTS.format(name="runs", go="go"), "--cpus", "0.25", "-e", "DRILL=runs")
    ends = cluster.submit(COUNTS.format(name="ends", go="go"), "--cpus", "0.25", "-e", "DRILL=ends")
    for job in (runs, ends):
        cluster.await_state(job, "RUNNING")
    node = cluster.show(runs)["attempts"][0]["node"]
    filler = cluster.submit("exec sleep 1000", "--cpus", cores)
    cluster.await_state(filler, "RUNNING")
    begins = cluster.submit("echo begins; exec sleep 1000", "--cpus", cores, "-e", "DRILL=begins")
    waits = cluster.submit("echo waited", "--cpus", cores)
    after = cluster.submit("echo after", "--after-ok", str(runs), "--cpus", "0.25")
    never = cluster.submit("true", "--cpus", "4000")
    for job in (begins, waits, after, never):
        assert cluster.show(job)["state"] == "QUEUED"
    known = {job: cluster.show(job) for job in (ended, array)}
    volumes = succeed(cluster, "volume", "ls", "--json").out
    snapshots = json.loads(succeed(cluster, "snapshot", "ls", "box", "--json").out)
    users = succeed(cluster, "user", "ls", "--json").out

    # A backup while all that runs; without keys, too, and as one file.
    kept = os.path.join(cluster.home, "kept")
    done = succeed(cluster, "backup", "--keys", kept)
    assert "the cluster's authority" in done.err and "not in it: the files of volumes" in done.err, done
    plain = os.path.join(cluster.home, "plain.tar.gz")
    done = succeed(cluster, "backup", plain)
    assert "the keys are not in it" in done.err, done
    assert os.stat(plain).st_mode & 0o777 == 0o600 and os.stat(kept).st_mode & 0o777 == 0o700
    inside = files_below(kept)
    assert all(mode == 0o600 or name.endswith(".crt") for name, (mode, _) in inside.items()
               if name.startswith(("controller/", "pki/"))), {name: oct(mode) for name, (mode, _) in inside.items()}
    listed = subprocess.run(["tar", "-tzf", plain], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "journal.db" in listed and ".key" not in listed and ".pem" not in listed, listed
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=kept, check=True)
    done = cluster.devrun("backup", kept)
    assert done.status == 125 and "is there already" in done.err, done
    with open(os.path.join(cluster.folder, "controller/backup.lock"), encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cluster.devrun("backup", kept + "-too")
        assert done.status == 125 and "another devrun backup is under way" in done.err, done
    assert not os.path.exists(kept + "-too")
    assert not os.path.exists(os.path.join(cluster.folder, "controller", "backup")), "the controller's copy has gone"

    # After it: one ends, one that waited begins, others come.
    let_go(cluster, ends)
    cluster.await_end(ends)
    succeed(cluster, "cancel", str(filler))
    cluster.await_end(filler)
    cluster.await_state(begins, "RUNNING")
    wait_until(lambda: cluster.devrun("logs", str(begins)).out == b"begins\n", "its output")
    late = cluster.submit("exec sleep 1000", "--cpus", "0.25", "-e", "DRILL=late")
    cluster.await_state(late, "RUNNING")
    queued = cluster.submit("true", "--cpus", "4000")
    for name in ("begins", "late", "runs"):  # RUNNING is told a moment before the program is there
        wait_until(lambda name=name: processes(f"DRILL={name}"), f"the program of {name}")

    # Nothing is written over what is there, and nothing of what is damaged.
    done = cluster.devrun("restore", kept)
    assert done.status == 125 and "its controller runs" in done.err, done
    cluster.kill("controller")
    done = cluster.devrun("restore", kept)
    assert done.status == 125 and "nothing is written over it" in done.err, done
    shutil.rmtree(os.path.join(cluster.folder, "controller"))
    damaged = os.path.join(cluster.home, "damaged")
    shutil.copytree(kept, damaged)
    with open(os.path.join(damaged, "controller/history.db"), "r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))
    for words in (["--check"], []):
        done = cluster.devrun("restore", *words, damaged)
        assert done.status == 125 and "controller/history.db has other bytes" in done.err, done
    done = cluster.devrun("restore", plain)
    assert done.status == 125 and "seal.key is neither here nor in the backup" in done.err, done
    assert not os.path.exists(os.path.join(cluster.folder, "controller"))
    assert not os.path.exists(os.path.join(cluster.folder, "restore.unpacked"))
    assert "is whole" in succeed(cluster, "restore", "--check", plain).err

    # Who is killed in between calls again, at whatever moment, and once more after the end.
    os.mkdir(os.path.join(cluster.folder, "controller"))
    with open(os.path.join(cluster.folder, "controller/restored.json"), "w", encoding="ascii") as file:
        file.write('{"backup_us": 5}\n')
    with open(os.path.join(cluster.folder, "controller/history.db"), "w", encoding="ascii") as file:
        file.write("of another backup, say")
    for _ in range(2):
        succeed(cluster, "restore", kept)
    # A node that joined since, which the store alone knows of.
    assert sorted(os.listdir(store(cluster) + "/nodes")) == ["node1", "node2", "storage"]
    with open(store(cluster) + "/nodes/ghost", "w", encoding="ascii"):
        pass
    # The nodes that all wait for are ones that have not come yet.
    agent = cluster.pid(f"{node}.agent")
    os.kill(agent, 19)
    try:
        cluster.devrun("up", "--store", cluster.folder, limit_s=90)  # which waits for agents in vain
        new = cluster.submit("echo new", "--cpus", "0.25")
        assert new >= 1_000_000 > queued, "no number is given twice"
        told = cluster.show(new)
        assert told["state"] == "QUEUED" and f"until ghost, {node} have said" in json.dumps(told), told
    finally:
        os.kill(agent, 18)
    cluster.mend()
    wait_until(lambda: "until ghost has said" in json.dumps(cluster.show(new)), "the other node has spoken")
    succeed(cluster, "nodes", "lost", "ghost")
    assert not os.path.exists(store(cluster) + "/nodes/ghost")

    # What was acknowledged before is there.
    assert cluster.await_end(new)["state"] == "SUCCEEDED"
    assert {job: cluster.show(job) for job in known} == known
    assert cluster.devrun("logs", str(ended)).out == b"out\n"
    assert succeed(cluster, "volume", "ls", "--json").out != b"" and json.loads(volumes)["volumes"]
    now = json.loads(succeed(cluster, "snapshot", "ls", "box", "--json").out)
    assert {one["number"] for one in snapshots["snapshots"]} <= {one["number"] for one in now["snapshots"]}
    assert succeed(cluster, "user", "ls", "--json").out == users
    assert ada.devrun("--volume", "adas", "-C", "/work", "cat", "data").out == b"of ada\n", "ada's certificate counts"
    assert b"vision" in ada.devrun("volume", "share", "adas").out

    # What ran goes on; what began or ended since is told truthfully, and runs no more.
    assert cluster.show(runs)["state"] == "RUNNING" and len(processes("DRILL=runs")) >= 1
    let_go(cluster, runs)
    assert cluster.await_end(runs)["state"] == "SUCCEEDED"
    said = cluster.devrun("logs", str(runs)).out.decode().split("\n")
    assert said[-2] == "runs whole" and said[:-2] == [f"runs {i}" for i in range(len(said) - 2)], said[-5:]
    assert cluster.await_end(after)["state"] == "SUCCEEDED"
    for job in (ends, begins):
        record = cluster.await_end(job)
        assert record["state"] == "NODE_LOST" and "went back to its backup" in json.dumps(record), record
        assert len(record["attempts"]) <= 1, record
    assert cluster.devrun("logs", str(ends)).out.decode().endswith("ends whole\n"), "its output is there"
    wait_until(lambda: not processes("DRILL=begins") and not processes("DRILL=late"), "what nobody knows is ended")
    assert cluster.await_state(filler, "CANCELLED", "NODE_LOST")
    assert cluster.await_end(waits)["state"] == "SUCCEEDED"
    assert cluster.show(never)["state"] == "QUEUED"
    assert cluster.devrun("show", str(late)).status == 125
    again = cluster.submit("echo again")
    assert again > new and cluster.await_end(again)["state"] == "SUCCEEDED"
    # Once; a restart does not go back again.
    cluster.kill("controller")
    cluster.mend()
    assert cluster.submit("true") == again + 1
    assert_whole(cluster)


test_a_controllers_state_comes_back.limit_s = 480


@own_cluster(nodes=1)
def test_a_stores_records_come_back(cluster):
    succeed(cluster, "snapshot", "create", "-m", "first", "box")
    succeed(cluster, "volume", "create", "other", "--from-dir", cluster.root)
    with open(cluster.live("work/version"), "w", encoding="ascii") as file:
        file.write("two\n")
    succeed(cluster, "snapshot", "create", "-m", "second", "box")
    succeed(cluster, "volume", "fork", "box", "forked")
    job = cluster.submit("echo kept > /etc/kept; echo home > /root/home; exec sleep 0")
    cluster.await_end(job)
    succeed(cluster, "volume", "create", "gone", "--from-dir", cluster.root)
    succeed(cluster, "volume", "rm", "--yes", "gone")
    runs = cluster.submit(COUNTS.format(name="runs", go="go"), "--cpus", "0.25")
    cluster.await_state(runs, "RUNNING")
    lists = {v: json.loads(succeed(cluster, "snapshot", "ls", v, "--json").out)["snapshots"]
             for v in ("box", "other", "forked")}
    kept = os.path.join(cluster.home, "kept")
    succeed(cluster, "backup", kept)
    # What is taken since has numbers that shall not come again.
    with open(cluster.live("work/version"), "w", encoding="ascii") as file:
        file.write("three\n")
    succeed(cluster, "true")
    lost = max(one["number"] for one in
               json.loads(succeed(cluster, "snapshot", "ls", "box", "--json").out)["snapshots"])

    cluster.kill("controller")
    root = store(cluster)
    for path in [*glob.glob(root + "/volumes/*/volume.json"), *glob.glob(root + "/volumes/*/newest.json"),
                 *glob.glob(root + "/volumes/*/snapshots/log"), *glob.glob(root + "/volumes/.removed/*/volume.json"),
                 *glob.glob(root + "/export/trees/*/*"), *glob.glob(root + "/export/packs/*/*"),
                 *glob.glob(root + "/jobs/*/*/changes")]:
        os.remove(path)
    done = succeed(cluster, "restore", "--only", "store", kept)
    assert "records put back" in done.err, done
    assert " 0 records put back" in succeed(cluster, "restore", "--only", "store", kept).err
    cluster.mend()
    for volume, before in lists.items():
        now = json.loads(succeed(cluster, "snapshot", "ls", volume, "--json").out)["snapshots"]
        assert now[:len(before)] == before, (volume, now, before)
    assert succeed(cluster, "--volume", "box@1", "cat", "/work/version").out == b"one\n"
    assert succeed(cluster, "--volume", "box", "cat", "/work/version").out == b"three\n"
    assert succeed(cluster, "--volume", "forked", "cat", "/work/version").out == b"two\n"
    assert b"/etc/kept" in succeed(cluster, "changes", str(job)).out
    succeed(cluster, "volume", "restore", "gone")
    succeed(cluster, "volume", "fork", "box", "again")
    assert succeed(cluster, "--volume", "again", "cat", "/work/version").out == b"three\n"
    newest = max(one["number"] for one in
                 json.loads(succeed(cluster, "snapshot", "ls", "box", "--json").out)["snapshots"])
    assert newest > lost, (newest, lost)
    let_go(cluster, runs)
    assert cluster.await_end(runs)["state"] == "SUCCEEDED"
    assert_whole(cluster)


test_a_stores_records_come_back.limit_s = 360
