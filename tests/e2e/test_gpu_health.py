"""GPUs that fail, vanish and come back, slices, shares, and who uses what: all of it by the double of the driver."""
import json
import os
import signal
import subprocess

from gpu_double import LIBRARIES, make_driver, make_node, put, set_state
from harness import own_cluster, wait_until

EIGHT = ("NVIDIA H100 80GB HBM3",) * 8
WITHIN_S = 30  # a round every two seconds, on a machine that may be busy


def up(cluster, types=EIGHT):
    root = make_driver(cluster, types)
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    return root


def gpus_of(cluster, node="node1"):
    """What the cluster knows of a node's GPUs, by number."""
    done = cluster.devrun("nodes", "show", node, "--json")
    assert done.status == 0, done
    return {gpu["index"]: gpu for gpu in json.loads(done.out)["nodes"][0]["gpus"]}


def await_gpu(cluster, index, condition, what):
    return wait_until(lambda: (lambda gpu: gpu if gpu and condition(gpu) else None)(gpus_of(cluster).get(index)), what, WITHIN_S)


def await_trouble(cluster, index, words):
    return await_gpu(cluster, index, lambda gpu: words in gpu.get("trouble", ""), f"GPU {index}: {words}")


def given(cluster, job):
    return cluster.show(job)["attempts"][-1]["gpus"]


def said(cluster, *words):
    return cluster.devrun(*words).out.decode()


@own_cluster(nodes=1)
def test_a_gpu_that_fails_is_set_aside_with_its_reason_and_comes_back(cluster):
    root = up(cluster)
    shown = said(cluster, "nodes", "show", "node1")
    assert "NVIDIA 550.54.15, CUDA 12.4" in shown, shown
    job = cluster.submit("trap 'exit 9' TERM; sleep 1000 & wait", "-g", "1", "--cpus", "0.1")
    cluster.await_state(job, "RUNNING")
    assert given(cluster, job) == [0]

    # An error that appears while a job runs: its job is told, and everybody who asks.
    set_state(root, "0 recovery 1", "0 xid 95")
    await_trouble(cluster, 0, "its driver asks for a reset of it (XID 95: an uncontained memory error)")
    for words in (("show", str(job)), ("ps",), ("explain", str(job))):
        assert "GPU 0: its driver asks for a reset" in said(cluster, *words), said(cluster, *words)
    assert "GPU 0 of node1 takes no jobs" in said(cluster, "nodes"), said(cluster, "nodes")
    assert cluster.show(job)["state"] == "RUNNING", "nothing is ended for it"
    all_of_them = cluster.submit("true", "-g", "8", "--cpus", "0.1")
    reason = said(cluster, "explain", str(all_of_them))
    assert "the largest free is 7 GPUs" in reason and "GPU 0 of node1 is set aside: its driver asks" in reason, reason
    other = cluster.submit("exec sleep 1000", "-g", "1", "--cpus", "0.1")
    cluster.await_state(other, "RUNNING")
    assert given(cluster, other) != [0]
    cluster.devrun("cancel", "--signal", "TERM", str(job))
    ended = cluster.await_end(job)
    assert ended["ending"]["status"] == 9 and "node1 had failed: GPU 0: its driver" in ended["ending"]["reason"], ended

    # It has been reset.
    cluster.devrun("cancel", str(other))
    cluster.await_end(other)
    set_state(root)
    await_gpu(cluster, 0, lambda gpu: "trouble" not in gpu or "XID 95" in gpu["trouble"], "only the XID is left")
    set_state(root, "0 recovery 0")  # and its driver says so
    assert cluster.await_end(all_of_them, limit_s=60)["state"] == "SUCCEEDED"


@own_cluster(nodes=1)
def test_gpus_that_vanish_keep_their_numbers_and_those_of_others(cluster):
    root = up(cluster)
    job = cluster.submit("exec sleep 1000", "-g", "2", "--cpus", "0.1")
    cluster.await_state(job, "RUNNING")
    assert given(cluster, job) == [0, 1]
    set_state(root, "7 gone", "1 lost", "4 ecc 2", "5 row 1")
    await_trouble(cluster, 7, "the driver does not list it any more")
    await_trouble(cluster, 1, "it does not answer: GPU is lost")
    await_trouble(cluster, 4, "2 uncorrectable memory errors since its last reset")
    await_trouble(cluster, 5, "a bad row of its memory could not be replaced")
    # A restart of the agent asks the driver anew, and forgets nothing.
    cluster.kill("node1.agent")
    cluster.mend()
    await_trouble(cluster, 1, "it does not answer")
    assert "the driver does not list it any more" in gpus_of(cluster)[7].get("trouble", ""), gpus_of(cluster)
    assert gpus_of(cluster)[0]["attempt"] == gpus_of(cluster)[1]["attempt"], gpus_of(cluster)
    four = cluster.submit("echo $CUDA_VISIBLE_DEVICES; ls /dev | grep nvidia24", "-g", "3", "--cpus", "0.1")
    assert cluster.await_end(four)["state"] == "SUCCEEDED"
    assert said(cluster, "logs", str(four)) == "0,1,2\nnvidia242\nnvidia243\nnvidia246\n", said(cluster, "logs", str(four))
    set_state(root)
    for index in (1, 4, 5, 7):
        await_gpu(cluster, index, lambda gpu: "trouble" not in gpu, f"GPU {index} is well again")
    assert cluster.show(job)["state"] == "RUNNING"
    # One that is gone for good is forgotten by who removes what the node remembers.
    set_state(root, "7 gone")
    await_trouble(cluster, 7, "the driver does not list it any more")
    os.remove(os.path.join(cluster.folder, "nodes/node1/gpu_numbers"))
    wait_until(lambda: set(gpus_of(cluster)) == set(range(7)), "it is forgotten", WITHIN_S)


@own_cluster(nodes=1)
def test_a_driver_that_comes_late(cluster):
    root = make_driver(cluster, EIGHT[:1])
    listed = os.path.join(root, LIBRARIES, "gpus")
    os.rename(listed, listed + ".away")
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    os.rename(listed + ".away", listed)
    job = cluster.submit("true", "-g", "1", "--cpus", "0.1")
    assert cluster.await_end(job, limit_s=WITHIN_S)["state"] == "SUCCEEDED", "the driver was looked for again"


@own_cluster(nodes=1)
def test_slices_are_devices_of_their_own(cluster):
    root = up(cluster, EIGHT[:2])
    make_node(root, "nvidia-caps/nvidia-cap12", 12)
    make_node(root, "nvidia-caps/nvidia-cap13", 13)
    make_node(root, "nvidia-caps/nvidia-cap21", 21)
    make_node(root, "nvidia-caps/nvidia-cap22", 22)
    os.makedirs(os.path.join(root, "proc/driver/nvidia-caps"))
    put(os.path.join(root, "proc/driver/nvidia-caps/mig-minors"),
        "config 1\ngpu240/gi1/access 12\ngpu240/gi1/ci0/access 13\ngpu240/gi2/access 21\ngpu240/gi2/ci0/access 22\n")
    name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    set_state(root, f"0 mig 0 1 0 {10 << 30} MIG-aaaa {name}", f"0 mig 1 2 0 {10 << 30} MIG-bbbb {name}")
    slices = wait_until(lambda: (lambda gpus: gpus if set(gpus) == {1, 100, 101} else None)(gpus_of(cluster)), "slices", WITHIN_S)
    assert slices[101]["slice"] == "1g.10gb" and slices[101]["slice_of"] == 0, slices
    assert slices[100]["type"] == "H100-1g.10gb", slices
    slices = wait_until(lambda: (lambda gpus: gpus if "use" in gpus[100] else None)(gpus_of(cluster)), "what is told of it", WITHIN_S)
    assert slices[100]["use"]["busy_percent"] is None, "of slices the driver tells no use"
    look = "echo $CUDA_VISIBLE_DEVICES; cd /dev; ls -d nvidia24* nvidia-caps/*"
    first = cluster.submit(look + "; exec sleep 1000", "-g", "1:1g.10gb", "--cpus", "0.1")
    cluster.await_state(first, "RUNNING")
    wanted = "MIG-aaaa\nnvidia-caps/nvidia-cap12\nnvidia-caps/nvidia-cap13\nnvidia240\n"
    wait_until(lambda: said(cluster, "logs", str(first)) == wanted, "it has its slice alone")
    done = cluster.sh(look, "-g", "1:H100-1g.10gb", "--cpus", "0.1")
    assert done.out.decode() == "MIG-bbbb\nnvidia-caps/nvidia-cap21\nnvidia-caps/nvidia-cap22\nnvidia240\n", done
    # A session sees the same, and who wants a GPU gets no slice.
    assert cluster.devrun("exec", str(first), "sh", "-c", "echo $CUDA_VISIBLE_DEVICES").out == b"MIG-aaaa\n"
    done = cluster.sh(look, "-g", "1", "--cpus", "0.1")
    assert done.out.decode().splitlines()[0] == "0" and "nvidia241" in done.out.decode(), done
    # Whole again.
    cluster.devrun("cancel", str(first))
    cluster.await_end(first)
    set_state(root)
    wait_until(lambda: set(gpus_of(cluster)) == {0, 1}, "no slices", WITHIN_S)


@own_cluster(nodes=1)
def test_shares_of_one_gpu(cluster):
    up(cluster, EIGHT[:1])
    done = cluster.sh("echo $CUDA_VISIBLE_DEVICES $SKYPILOT_NUM_GPUS_PER_NODE", "-g", "0.5", "--cpus", "0.1")
    assert done.status == 0 and done.out.split()[0] == b"0" and "nothing fences its memory" in done.err, done
    first = cluster.submit("exec sleep 1000", "-g", "0.5", "--cpus", "0.1")
    second = cluster.submit("exec sleep 1000", "-g", "0.4:H100", "--cpus", "0.1")
    for job in (first, second):
        cluster.await_state(job, "RUNNING")
        assert given(cluster, job) == [0]
    third = cluster.submit("true", "-g", "0.2", "--cpus", "0.1")
    assert "needs 0.2 GPU on one node; the largest free is 0.1 GPU" in said(cluster, "explain", str(third)), third
    shown = said(cluster, "nodes", "show", "node1")
    assert f"{first},{second}" in shown and "1 gpu" in shown, shown
    cluster.kill("controller")
    cluster.mend()
    assert "the largest free is 0.1 GPU" in said(cluster, "explain", str(third))
    cluster.devrun("cancel", str(first))
    assert cluster.await_end(third)["state"] == "SUCCEEDED"
    assert cluster.devrun("-g", "1.5", "--", "true").status == 2


@own_cluster(nodes=1)
def test_who_uses_gpus_and_who_only_has_them(cluster):
    root = up(cluster, EIGHT[:2])
    policy = os.path.join(cluster.folder, "policy.yaml")
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        job = cluster.submit("exec sleep 1000", "-g", "1", "--cpus", "0.1")
        cluster.await_state(job, "RUNNING")
        mine = int(wait_until(lambda: pid_of_job(cluster, job), "its pid"))
        set_state(root, f"0 pid {mine} {3 << 30}", f"1 pid {stranger.pid} {5 << 30}", "0 temperature 61", "0 power 312000")
        await_gpu(cluster, 1, lambda gpu: f"sleep (pid {stranger.pid})" in gpu.get("others", ""), "the stranger is seen")
        shown = wait_until(lambda: (lambda text: text if "61 C" in text else None)(said(cluster, "nodes", "show", "node1")), "its use", WITHIN_S)
        assert "312 W" in shown and f"(pid {stranger.pid}, 5.0 GB), not started by devrun" in shown, shown
        assert f"(pid {mine}, 3.0 GB), of job {job}" in shown, shown
        assert "others" not in gpus_of(cluster)[0], "an attempt's own program is no stranger"
        # Where policy says so nothing is placed there.
        with open(policy, "w", encoding="ascii") as file:
            file.write("gpus: {avoid_used_by_others: true, idle_warn: 10s, idle_end: 20s}\n")
        os.kill(cluster.pid("controller"), signal.SIGHUP)
        wait_until(lambda: "was read again" in cluster.logs(), "the policy is read")
        waits = cluster.submit("true", "-g", "1", "--cpus", "0.1")
        reason = said(cluster, "explain", str(waits))
        assert "GPU 1 of node1 is set aside: programs that are not devrun's use it: sleep" in reason, reason
        # The job does nothing with its own: that is said, then it is ended.
        wait_until(lambda: "its GPU has done nothing for" in said(cluster, "ps"), "it is said that it idles", WITHIN_S)
        ended = cluster.await_end(job, limit_s=60)
        assert ended["state"] == "CANCELLED" and "0 % busy" in ended["ending"]["reason"], ended
    finally:
        stranger.kill()
        stranger.wait()
    assert cluster.await_end(waits, limit_s=WITHIN_S)["state"] == "SUCCEEDED"


def pid_of_job(cluster, job):
    """On the node: of the program in whose environment the job's id is."""
    mark = f"DEVRUN_JOB_ID={job}".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark in file.read().split(b"\0") and os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "busybox":
                    return pid
        except OSError:
            continue
    return None


def test_the_check_tries_each_gpu_and_says_what_fails(cluster):
    """devrun-gpus --check by the double of CUDA's driver."""
    library = os.path.join(cluster.home, "check")
    os.makedirs(library, exist_ok=True)
    double = os.path.join(library, "libcuda.so.1")
    with open(os.path.join(os.path.dirname(cluster.bin), "double/libcuda.so.1"), "rb") as source, open(double, "wb") as out:
        out.write(source.read())

    def check(told):
        put(os.path.join(library, "cuda"), told)
        done = subprocess.run([os.path.join(cluster.bin, "devrun-gpus"), "--check", "--library", double],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    status, text = check("3")
    assert status == 0 and "GPU 2: a double" in text and "GPU 0 to GPU 2: direct" in text, text
    assert "all-reduce of 64 MiB over 3 GPUs: right" in text and text.endswith("all is well\n"), text
    status, text = check("2 far")
    assert status == 0 and "GPU 0 to GPU 1: through the host" in text, text
    status, text = check("2 wrong 1")
    assert status == 5 and "copy to and from GPU 1: wrong bytes" in text and text.endswith("not all is well\n"), text
    status, text = check("1 no-memory")
    assert status == 5 and "cannot get memory of GPU 0: out of memory" in text, text
    assert check("0")[0] == 4

    # As people call it.
    root = os.path.join(cluster.home, "checked")
    os.makedirs(os.path.join(root, LIBRARIES))
    os.rename(double, os.path.join(root, LIBRARIES, "libcuda.so.1"))
    put(os.path.join(root, LIBRARIES, "cuda"), "2")
    done = cluster.devrun("doctor", "--gpu", "--gpu-root", root)
    assert done.status == 0 and b"all is well" in done.out, done
    put(os.path.join(root, LIBRARIES, "cuda"), "2 wrong 0")
    done = cluster.devrun("doctor", "--gpu", "--gpu-root", root)
    assert done.status == 125 and "a GPU failed. Try: nvidia-smi" in done.err, done
    done = cluster.devrun("doctor", "--gpu", "--gpu-root", library)
    assert done.status == 125 and "has no NVIDIA driver" in done.err, done
