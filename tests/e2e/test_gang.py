"""Jobs on several nodes: all ranks or none, who is who, one barrier after setup, one end for all."""
import os
import re
import shutil

from harness import Skip, add_programs, finish, write
from test_identity import as_ada
from test_launch import EXAMPLES, launch

NUMPY = "/usr/lib/python3/dist-packages/numpy"
LEFT_OUT = ("test", "tests", "idlelib", "lib2to3", "ensurepip", "tkinter", "pydoc_data", "config-*", "include")

ALL_REDUCE = """
import os, socket, time
rank, world = int(os.environ["SKYPILOT_NODE_RANK"]), int(os.environ["SKYPILOT_NUM_NODES"])
at = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
mine = 10 ** rank
if rank == 0:
    with socket.create_server(("", at[1])) as server:
        peers = [server.accept()[0] for _ in range(world - 1)]
    total = mine + sum(int(peer.recv(64)) for peer in peers)
    for peer in peers:
        peer.sendall(str(total).encode())
else:
    for _ in range(600):
        try:
            peer = socket.create_connection(at)
            break
        except OSError:
            time.sleep(0.05)
    peer.sendall(str(mine).encode())
    total = int(peer.recv(64))
print(f"rank {rank} of {world}: sum {total}", flush=True)
"""


def by_rank(output):
    """The lines of each rank, without their prefix."""
    out = {}
    for line in output.decode().splitlines():
        found = re.fullmatch(r"\[(\d+)\] (.*)", line)
        assert found, f"a line without the prefix of a rank: {line!r}"
        out.setdefault(int(found[1]), []).append(found[2])
    return out


def python_volume(cluster):
    """A volume with this machine's Python, and with NumPy where it is installed; made once."""
    listed = cluster.devrun("volume", "ls", "--json")
    if b'"python"' in listed.out:
        return "python"
    root = os.path.join(cluster.home, "python-root")
    for name in ("bin", "root", "tmp", "proc", "sys", "dev", "run", "work", "etc", "var",
                 "usr/lib/python3/dist-packages"):
        os.makedirs(os.path.join(root, name))
    add_programs(root, "/bin/bash", "/bin/sh", "/bin/mkdir", "/bin/ln", "/usr/bin/python3")
    version = os.path.basename(os.path.realpath("/usr/bin/python3"))
    library = f"/usr/lib/{version}"
    shutil.copytree(library, root + library, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    modules = [os.path.join(library, "lib-dynload", name) for name in os.listdir(library + "/lib-dynload")]
    if os.path.isdir(NUMPY):
        shutil.copytree(NUMPY, root + NUMPY, ignore=shutil.ignore_patterns("include", "tests"))
        modules += [os.path.join(folder, name) for folder, _, names in os.walk(NUMPY)
                    for name in names if not folder.endswith("/tests")]
    add_programs(root, *(module for module in modules if module.endswith(".so")))
    write(os.path.join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")
    write(os.path.join(root, "etc/group"), "root:x:0:\n")
    shutil.copytree(EXAMPLES, os.path.join(root, "work/examples"))
    write(os.path.join(root, "work/all_reduce.py"), ALL_REDUCE)
    done = cluster.devrun("volume", "create", "python", "--from-dir", root)
    assert done.status == 0, done
    shutil.rmtree(root)
    return "python"


def test_every_rank_knows_all(cluster):
    done = cluster.sh("""echo node=$SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES
echo ips=$(echo "$SKYPILOT_NODE_IPS" | tr '\\n' ' ')
echo lines=$(echo "$SKYPILOT_NODE_IPS" | wc -l)
echo master=$MASTER_ADDR:$MASTER_PORT
echo on=$DEVRUN_NODE""", "--nodes", "2")
    assert done.status == 0, done
    ranks = {rank: dict(line.split("=", 1) for line in lines) for rank, lines in by_rank(done.out).items()}
    assert sorted(ranks) == [0, 1], ranks
    assert [ranks[rank]["node"] for rank in (0, 1)] == ["0 of 2", "1 of 2"], ranks
    for name in ("ips", "master"):
        assert ranks[0][name] == ranks[1][name], ranks
    ips = ranks[0]["ips"].split()
    assert len(set(ips)) == 2 and ranks[0]["lines"] == "2", ranks
    address, port = ranks[0]["master"].split(":")
    assert address == ips[0] and 1024 <= int(port) <= 65535, ranks
    assert ranks[0]["on"] != ranks[1]["on"], ranks


def test_a_task_id_is_the_same_for_all_ranks_and_differs_between_jobs(cluster):
    def task_ids():
        done = cluster.sh("echo $SKYPILOT_TASK_ID", "--nodes", "2")
        return {line for lines in by_rank(done.out).values() for line in lines}
    first, second = task_ids(), task_ids()
    assert len(first) == len(second) == 1 and first != second, (first, second)


def test_both_streams_of_ranks_are_prefixed(cluster):
    done = cluster.sh("echo out; echo err >&2; printf unfinished", "--nodes", "2")
    assert done.status == 0 and by_rank(done.out) == {0: ["out", "unfinished"], 1: ["out", "unfinished"]}, done
    assert sorted(done.err.splitlines()) == ["[0] err", "[1] err"], done


def test_one_rank_has_stdin_and_the_others_have_none(cluster):
    done = cluster.devrun("--nodes", "2", "--", "cat", stdin=b"said\n")
    assert done.status == 0 and done.out == b"[0] said\n", done


def test_the_log_of_one_rank_has_no_prefix(cluster):
    job = cluster.submit("echo I am $DEVRUN_RANK", "--nodes", "2")
    cluster.await_end(job)
    assert sorted(cluster.devrun("logs", str(job)).out.splitlines()) == [b"[0] I am 0", b"[1] I am 1"]
    assert cluster.devrun("logs", "--rank", "1", str(job)).out == b"I am 1\n"


def test_a_gang_that_cannot_fit_waits_whole_and_says_why(cluster):
    sleeper = cluster.submit("exec sleep 1000", "--cpus", "1")
    cluster.await_state(sleeper, "RUNNING")
    gang = cluster.submit("echo up; exec sleep 1000", "--nodes", "3", "--cpus", "1")
    said = cluster.devrun("explain", str(gang))
    assert said.status == 0 and b"QUEUED" in said.out, said
    assert b"3 nodes" in said.out and b"1 core" in said.out and b"2 of 3" in said.out, said
    record = cluster.show(gang)
    assert record["state"] == "QUEUED" and record["attempts"] == [], record
    cluster.devrun("cancel", str(sleeper))
    record = cluster.await_state(gang, "RUNNING")
    assert len({attempt["node"] for attempt in record["attempts"]}) == 3, record
    assert sorted(attempt["rank"] for attempt in record["attempts"]) == [0, 1, 2], record
    assert cluster.devrun("cancel", str(gang)).status == 0
    record = cluster.await_end(gang)
    assert record["state"] == "CANCELLED", record
    assert all(attempt["state"] == "CANCELLED" for attempt in record["attempts"]), record


def test_a_gang_that_can_never_fit_starts_nothing(cluster):
    job = cluster.submit("echo never", "--nodes", "4")
    said = cluster.devrun("explain", str(job))
    assert b"needs 4 nodes; the cluster has only 3" in said.out and b"devrun up --nodes 4" in said.out, said
    assert cluster.show(job)["attempts"] == []
    assert cluster.devrun("cancel", str(job)).status == 0
    assert cluster.await_end(job)["attempts"] == []


def test_no_run_begins_before_every_setup_has_ended(cluster):
    done = launch(cluster, """
num_nodes: 2
setup: |
  [ "$SKYPILOT_SETUP_NODE_RANK" = 1 ] && sleep 1
  echo setup $EPOCHREALTIME
run: echo run $EPOCHREALTIME
""")
    assert done.status == 0, done
    ranks = {rank: dict(line.split() for line in lines) for rank, lines in by_rank(done.out).items()}
    assert sorted(ranks) == [0, 1], done
    last_setup = max(float(rank["setup"]) for rank in ranks.values())
    first_run = min(float(rank["run"]) for rank in ranks.values())
    assert first_run > last_setup > float(ranks[0]["setup"]), ranks


def test_if_setup_fails_anywhere_run_runs_nowhere(cluster):
    done = launch(cluster, """
num_nodes: 2
setup: |
  echo setup
  [ "$SKYPILOT_SETUP_NODE_RANK" = 0 ] || exit 17
run: echo never
""")
    assert done.status == 17 and b"never" not in done.out, done


def test_if_one_rank_fails_the_others_end_and_its_status_is_the_jobs(cluster):
    script = 'if [ $DEVRUN_RANK = 1 ]; then exit 9; fi; trap "echo told; exit 0" TERM; while :; do sleep 0.1; done'
    done = cluster.sh(script, "--nodes", "3")
    assert done.status == 9 and "rank 1 on node" in done.err and "exited with 9" in done.err, done
    (job,) = [job for job in cluster.jobs() if job["nodes"] == 3 and job["argv"][-1] == script]
    record = cluster.show(job["job"])
    assert record["state"] == "FAILED" and record["ending"]["status"] == 9, record
    assert not any(attempt["state"] == "RUNNING" for attempt in record["attempts"]), record
    assert cluster.devrun("wait", str(job["job"])).status == 9


def test_a_rank_that_dies_of_a_signal_ends_the_job_with_it(cluster):
    done = cluster.sh("if [ $DEVRUN_RANK = 0 ]; then kill -KILL $$; fi; exec sleep 1000", "--nodes", "2")
    assert done.status == 137, done


def test_a_gang_is_cancelled_whole(cluster):
    child = cluster.start("--nodes", "2", "--", "sh", "-c", "echo up; exec sleep 1000")
    lines = sorted(child.stdout.readline() for _ in range(2))
    assert lines == [b"[0] up\n", b"[1] up\n"], lines
    job = max(job["job"] for job in cluster.jobs())
    assert cluster.devrun("cancel", str(job)).status == 0
    assert finish(child).status == 130
    assert {attempt["state"] for attempt in cluster.show(job)["attempts"]} == {"CANCELLED"}


def test_ranks_reach_each_other(cluster):
    done = cluster.devrun("--volume", python_volume(cluster), "--nodes", "3", "--", "python3", "/work/all_reduce.py")
    assert done.status == 0, done
    assert by_rank(done.out) == {rank: [f"rank {rank} of 3: sum 111"] for rank in range(3)}, done


def test_the_ddp_example_trains_one_model_on_two_nodes(cluster):
    if not os.path.isdir(NUMPY):
        raise Skip("examples/ddp.yaml did not run: python3-numpy is not installed here")
    done = cluster.devrun("shell", python_volume(cluster), "--", "/bin/bash", "-c",
                          "cd /work/examples && devrun launch ddp.yaml --env EPOCHS=11")
    assert done.status == 0, done
    ranks = by_rank(done.out)
    losses = [float(line.split()[-1]) for line in ranks[0] if line.startswith("epoch")]
    assert len(losses) == 3 and losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 10, done
    sums = {line.split(": ", 1)[1] for lines in ranks.values() for line in lines if line.startswith("rank ")}
    assert sorted(ranks) == [0, 1] and len(sums) == 1, done


def test_what_each_rank_wrote_is_listed(cluster):
    done = cluster.sh("echo $DEVRUN_RANK > /root/of-rank-$DEVRUN_RANK", "--nodes", "2")
    assert done.status == 0, done
    assert "2 files, 4 B to /root, from 2 ranks" in done.err, done
    for rank in (0, 1):
        assert f"of-rank-{rank}" in done.err, done
    job = max(job["job"] for job in cluster.jobs())
    shown = cluster.devrun("show", str(job)).out.decode()
    assert f"attempt {job}.0 on" in shown and f"attempt {job}.1 on" in shown, shown
    row = [line for line in cluster.devrun("ps").out.decode().splitlines() if line.startswith(f"{job} ")][0]
    assert row.count("node") >= 2, row


# A user for sshd's half that knows no secrets, and folders where ssh and MPI look for what is theirs.
SSH_PASSWD = "sshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n"
MPI_FOLDERS = ("/usr/lib/x86_64-linux-gnu/openmpi", "/usr/lib/x86_64-linux-gnu/pmix2", "/usr/share/openmpi",
               "/etc/openmpi")


def put_ssh(cluster):
    for program in ("/usr/sbin/sshd", "/usr/bin/ssh"):
        if not os.path.exists(program):
            raise Skip(f"NOT TESTED: {program} is not installed here")
    root = cluster.live("/")
    add_programs(root, "/usr/sbin/sshd", "/usr/bin/ssh")
    os.makedirs(cluster.live("etc/ssh/ssh_config.d"), exist_ok=True)
    write(cluster.live("etc/ssh/ssh_config"), "Include /etc/ssh/ssh_config.d/*.conf\n")
    with open(cluster.live("etc/passwd"), "r+", encoding="ascii") as file:
        if "sshd:" not in file.read():
            file.write(SSH_PASSWD)


def test_ranks_reach_each_other_by_ssh(cluster):
    put_ssh(cluster)
    # Rank 1 has nothing to do: it stays to be reached.
    script = ("test $DEVRUN_RANK = 0 || exit 0; for host in $(cut -d' ' -f1 $DEVRUN_HOSTFILE); do "
              "ssh $host 'echo I am $DEVRUN_RANK of job $DEVRUN_JOB_ID, $(id -un), $WORD'; done")
    done = cluster.devrun("--nodes", "2", "sh", "-c", script, env=cluster.environment(WORD="two 'words'\nof two lines"))
    assert done.status == 0, done
    job = max(job["job"] for job in cluster.jobs())
    assert by_rank(done.out) == {0: [f"I am {rank} of job {job}, root, two 'words' of two lines" for rank in (0, 1)]}, done
    changes = cluster.devrun("changes", str(job)).out
    assert b"ssh" not in changes and b"hostfile" not in changes, changes


def test_users_that_are_not_root_reach_each_other_too(cluster):
    put_ssh(cluster)
    script = "test $DEVRUN_RANK = 0 || exit 0; ssh $(tail -1 $DEVRUN_HOSTFILE | cut -d' ' -f1) 'id -un; hostname'"
    done = cluster.sh(script, "--nodes", "2", env=as_ada(cluster), user=1000, group=1000, extra_groups=[1000])
    assert done.status == 0 and by_rank(done.out)[0][0] == "ada", done


def test_mpirun_starts_a_process_on_every_rank(cluster):
    put_ssh(cluster)
    if not all(os.path.exists(path) for path in ("/usr/bin/orterun", *MPI_FOLDERS)):
        raise Skip("NOT TESTED: Open MPI is not installed here")
    root = cluster.live("/")
    plugins = [os.path.join(folder, name) for top in MPI_FOLDERS for folder, _, names in os.walk(top)
               for name in names if name.endswith(".so")]
    add_programs(root, "/usr/bin/orterun", "/usr/bin/orted", *plugins)
    for folder in MPI_FOLDERS:
        shutil.copytree(folder, root + folder, dirs_exist_ok=True)
    # All nodes of this cluster are one machine, which talks to itself over its loopback interface alone.
    script = ("test $DEVRUN_RANK = 0 || exit 0; orterun --mca oob_tcp_if_include lo --mca plm_rsh_no_tree_spawn 1 "
              "--hostfile $DEVRUN_HOSTFILE -np 2 --map-by node sh -c 'echo $OMPI_COMM_WORLD_RANK runs on rank $DEVRUN_RANK'")
    done = cluster.devrun("--nodes", "2", "sh", "-c", script)
    assert done.status == 0, done
    assert sorted(by_rank(done.out)[0]) == ["0 runs on rank 0", "1 runs on rank 1"], done
