"""Drivers of GPUs in trouble: one that hangs in the kernel, nodes that nobody has made, one that comes late; and what the probe tells of each."""
import json
import os
import shutil
import stat
import subprocess

from dead_mount import DeadMount
from gpu_double import LIBRARIES, make_driver, put, set_state
from harness import own_cluster, wait_until
from test_gpu_health import EIGHT, WITHIN_S, await_gpu, await_trouble, gpus_of, said

STOPS_WITHIN_S = 10


def probes(cluster):
    """The programs that ask this cluster's driver: pid and state of each."""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if os.path.basename(words[0]) == b"devrun-gpus" and cluster.home.encode() in b" ".join(words) and state != "Z":
            out[int(pid)] = state
    return out


@own_cluster(nodes=1)
def test_a_driver_that_hangs_in_the_kernel_takes_nobody_along(cluster):
    root = make_driver(cluster, EIGHT[:2])
    dead = DeadMount(os.path.join(cluster.home, "dead"))
    try:
        # When the agent starts: the node comes without them, and says so.
        set_state(root, f"0 hang {dead.file()}")
        done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
        assert done.status == 0, done
        assert cluster.sh("echo runs").out == b"runs\n"
        assert "no GPU is offered: the driver has not answered within" in cluster.logs(), cluster.logs()[-2000:]
        assert "none that answers" in said(cluster, "nodes", "show", "node1"), said(cluster, "nodes", "show", "node1")
        stray = probes(cluster)
        assert len(stray) == 1, stray

        # Nor does the next one wait for what the kernel holds, nor put a second one beside it.
        cluster.kill("node1.agent")
        cluster.mend()
        assert cluster.sh("echo runs").out == b"runs\n"
        wait_until(lambda: "of an earlier agent does not die" in cluster.logs(), "the stray is seen", WITHIN_S)
        assert set(probes(cluster)) == set(stray), probes(cluster)

        # It answers again.
        set_state(root)
        dead.release()
        job = cluster.submit("exec sleep 1000", "-g", "1", "--cpus", "0.1")
        cluster.await_state(job, "RUNNING")

        # When the agent ends; the next one knows which GPUs there were.
        dead = DeadMount(os.path.join(cluster.home, "dead"))
        set_state(root, f"0 hang {dead.file()}")
        wait_until(lambda: set(probes(cluster).values()) & {"S", "D"} and waits_for_fuse(probes(cluster)), "it hangs", WITHIN_S)
        agent = cluster.pid("node1.agent")
        os.kill(agent, 15)
        wait_until(lambda: not os.path.exists(f"/proc/{agent}"), "the agent has ended", STOPS_WITHIN_S)
        cluster.mend()
        await_trouble(cluster, 1, "it does not answer: ")
        assert cluster.show(job)["state"] == "RUNNING" and cluster.show(job)["attempts"][0]["gpus"] == [0]
        assert len(probes(cluster)) == 1, probes(cluster)
        set_state(root)
        dead.release()
        for index in (0, 1):
            await_gpu(cluster, index, lambda gpu: "trouble" not in gpu, f"GPU {index} is well again")
    finally:
        set_state(root)
        dead.release()


def waits_for_fuse(pids):
    for pid in pids:
        try:
            with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
                if "request_wait_answer" in file.read():
                    return True
        except OSError:
            continue
    return False


@own_cluster(nodes=1)
def test_nodes_that_nobody_made_after_a_boot(cluster):
    root = make_driver(cluster, EIGHT[:1])
    os.remove(os.path.join(root, "dev/nvidia-uvm"))
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    # Nobody can: it takes no job, and everybody is told what to do.
    await_trouble(cluster, 0, "no CUDA program can use it: /dev/nvidia-uvm is missing, and /usr/bin/nvidia-modprobe")
    put(os.path.join(root, LIBRARIES, "cuda"), "1")
    done = cluster.devrun("doctor", "--gpu", "--gpu-root", root)
    assert done.status == 125 and "apt-get install -y nvidia-modprobe && nvidia-modprobe -u -c=0" in done.err, done
    job = cluster.submit("ls /dev | grep nvidia", "-g", "1", "--cpus", "0.1")
    assert "GPU 0 of node1 is set aside: no CUDA program" in said(cluster, "explain", str(job)), said(cluster, "explain", str(job))
    # A stub plays it, inside the driver's root as the real one would be.
    os.makedirs(os.path.join(root, "bin"))
    shutil.copy("/bin/busybox", os.path.join(root, "bin"))
    stub = os.path.join(root, "usr/bin/nvidia-modprobe")
    put(stub, "#!/bin/busybox sh\necho \"$@\" >> /called\nexec /bin/busybox mknod -m 666 /dev/nvidia-uvm c 195 254\n")
    os.chmod(stub, 0o755)
    assert cluster.await_end(job, limit_s=WITHIN_S)["state"] == "SUCCEEDED"
    assert said(cluster, "logs", str(job)) == "nvidia-uvm\nnvidia240\nnvidiactl\n", said(cluster, "logs", str(job))
    with open(os.path.join(root, "called"), encoding="ascii") as file:
        assert file.read() == "-u -c=0\n"
    assert stat.S_ISCHR(os.stat(os.path.join(root, "dev/nvidia-uvm")).st_mode)
    assert cluster.devrun("doctor", "--gpu", "--gpu-root", root).status == 0


class Probe:
    """devrun-gpus by itself, with a driver of its own."""

    def __init__(self, cluster, name, types=EIGHT[:1]):
        self.program = os.path.join(cluster.bin, "devrun-gpus")
        self.root = os.path.join(cluster.home, name)
        self.libraries = os.path.join(self.root, LIBRARIES)
        self.double = os.path.join(os.path.dirname(cluster.bin), "double/libnvidia-ml.so.1")
        os.makedirs(self.libraries)
        with open(os.path.join(self.libraries, "gpus"), "w", encoding="ascii") as file:
            for index, kind in enumerate(types):
                file.write(f"{240 + index}\t{80 << 30}\tGPU-0000-{index}\t{kind}\n")

    def install(self):
        # All at once, for whoever looks for it meanwhile.
        shutil.copy(self.double, self.libraries + "/new")
        os.rename(self.libraries + "/new", self.libraries + "/libnvidia-ml.so.1")

    def once(self):
        done = subprocess.run([self.program, "--root", self.root], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0, done
        return json.loads(done.stdout)["gpus"]


def test_what_the_probe_tells_of_memory_use_slices_and_many_programs(cluster):
    probe = Probe(cluster, "probe", EIGHT[:3])
    probe.install()
    put(os.path.join(probe.libraries, "busy"), f"7 {5 << 30}\n0 0\n0 0\n")
    name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    set_state(probe.root, f"0 reserved {600 << 20}", *(f"0 pid {100000 + i} {1 << 20}" for i in range(300)), "1 no-use",
              f"2 mig 0 1 0 {10 << 30} MIG-aaaa {name}", f"2 mig 1 2 0 {10 << 30} MIG-bbbb {name}", "2 slice-fails MIG-aaaa")
    first, second, third = probe.once()
    assert first["used"] == 5 << 30, "without what the driver keeps for itself"
    assert first["busy"] == 7 and len(first["processes"]) == 300, len(first["processes"])
    assert "busy" not in second, "unknown is not 0"
    assert [one.get("missing") for one in third["slices"]] == ["GPU is lost", None], third["slices"]
    assert third["slices"][0]["uuid"] == "MIG-aaaa" and third["slices"][1]["memory"] == 10 << 30


def test_a_driver_that_comes_beside_another_makers(cluster):
    probe = Probe(cluster, "late")
    node = os.path.join(probe.root, "sys/class/kfd/kfd/topology/nodes/1")
    os.makedirs(node)
    for file, text in (("gpu_id", "77\n"), ("properties", "drm_render_minor 128\nunique_id 4660\n")):
        put(os.path.join(node, file), text)
    child = subprocess.Popen([probe.program, "--every", "100", "--root", probe.root], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        makers = [gpu["maker"] for gpu in json.loads(child.stdout.readline())["gpus"]]
        assert makers == ["AMD"], makers
        probe.install()
        wait_until(lambda: [gpu["maker"] for gpu in json.loads(child.stdout.readline())["gpus"]] == ["NVIDIA", "AMD"],
                   "the driver that came late is seen", WITHIN_S)
    finally:
        child.kill()
        child.wait()
