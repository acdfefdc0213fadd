"""What a machine of many GPUs has besides them, and one of another maker: how they are joined, the network between machines, limits, AMD."""
import os
import signal
import subprocess

from gpu_double import LIBRARIES, make_driver, make_node, put
from harness import own_cluster, wait_until
from test_gpu_health import EIGHT, WITHIN_S, given, gpus_of, said


@own_cluster(nodes=1)
def test_gpus_that_are_joined_go_together_with_the_network_and_the_limits(cluster):
    root = make_driver(cluster, EIGHT[:4])
    put(os.path.join(root, LIBRARIES, "links"), "1 0 1 0\n")
    put(os.path.join(root, LIBRARIES, "switches"), "0 5 0 5\n")
    for number in range(4):
        place = os.path.join(root, f"sys/bus/pci/devices/0000:{0x10 + number:02x}:00.0")
        os.makedirs(place)
        put(os.path.join(place, "numa_node"), f"{number % 2}\n")
    for minor, name in enumerate(("infiniband/uverbs0", "infiniband/rdma_cm", "infiniband/umad0", "infiniband/issm0", "gdrdrv")):
        make_node(root, name, minor)
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    gpus = gpus_of(cluster)
    assert [gpus[i]["numa_node"] for i in range(4)] == [0, 1, 0, 1], gpus
    assert gpus[0]["link"] == gpus[2]["link"] != gpus[1]["link"] == gpus[3]["link"], "by NVLink, and by a switch of PCIe"
    # Two of one group, though the first two are free.
    look = "ls -d /dev/infiniband/* /dev/gdrdrv; ulimit -l; df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2; exec sleep 1000"
    first = cluster.submit(look, "-g", "2", "--cpus", "0.1", "--memory", "64M")
    cluster.await_state(first, "RUNNING")
    assert given(cluster, first) == [0, 2]
    second = cluster.submit("exec sleep 1000", "-g", "2", "--cpus", "0.1")
    cluster.await_state(second, "RUNNING")
    assert given(cluster, second) == [1, 3]
    # Without a limit, as far as whoever starts the agent may give that.
    most = subprocess.run(["sh", "-c", "ulimit -Hl unlimited 2>/dev/null; ulimit -Hl"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    wanted = ["/dev/gdrdrv", "/dev/infiniband/rdma_cm", "/dev/infiniband/uverbs0", most, "65536"]
    lines = wait_until(lambda: (lambda text: text if len(text) == len(wanted) else None)(said(cluster, "logs", str(first)).split()), "its output")
    assert lines == wanted, lines
    done = cluster.sh("ls /dev | grep -c -e infiniband -e gdrdrv -e nvidia", "--cpus", "0.1")
    assert done.out == b"0\n", done


@own_cluster(nodes=1)
def test_a_node_that_may_have_some_of_them_keeps_these(cluster):
    """By number and by UUID, as gpu_devices of its configuration says."""
    root = make_driver(cluster, EIGHT[:4])
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    with open(f"/proc/{cluster.pid('node1.agent')}/cmdline", encoding="utf-8") as file:
        words = file.read().split("\0")[:-1]
    cluster.kill("node1.agent")
    os.remove(os.path.join(cluster.folder, "nodes/node1/gpu_numbers"))
    log = os.path.join(cluster.folder, "run/node1-some.agent.log")

    def start():
        with open(log, "a", encoding="utf-8") as out:
            return subprocess.Popen([*words, "--gpu-device", "3", "--gpu-device", "GPU-0000-0", "--gpu-device", "9"], stdout=out, stderr=out)

    def connections():
        with open(log, encoding="utf-8") as file:
            return file.read().count("connected to the controller")

    def has(wanted):
        return wait_until(lambda: {index: gpu["uuid"] for index, gpu in gpus_of(cluster).items()} == wanted, f"it has {wanted}", WITHIN_S)
    agent = start()
    try:
        has({0: "GPU-0000-0", 3: "GPU-0000-3"})
        assert "not there: GPU 9" in said(cluster, "nodes", "show", "node1"), said(cluster, "nodes", "show", "node1")
        assert "gpu_devices names 9, and the driver has no such GPU. Try: nvidia-smi -L" in cluster.logs(), cluster.logs()
        # The driver begins anew without the second, and counts anew: its 3 is another one.
        agent.kill()
        agent.wait()
        listed = os.path.join(root, LIBRARIES, "gpus")
        with open(listed, encoding="ascii") as file:
            lines = file.read().splitlines()
        put(listed, "\n".join([lines[0], lines[2], lines[3], lines[1].replace("GPU-0000-1", "GPU-0000-9")]) + "\n")
        agent = start()
        wait_until(lambda: connections() == 2, "it is back", WITHIN_S)
        has({0: "GPU-0000-0", 3: "GPU-0000-3"})
        done = cluster.sh("ls /dev | grep nvidia24", "-g", "2", "--cpus", "0.1")
        assert done.out == b"nvidia240\nnvidia243\n", done
    finally:
        agent.kill()
        agent.wait()


@own_cluster(nodes=1)
def test_amds_gpus_and_that_unknown_use_is_not_idleness(cluster):
    root = make_amd(cluster)
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    shown = said(cluster, "nodes", "show", "node1")
    assert "AMD amdgpu 6.7.8" in shown and "MI300X" in shown, shown
    look = "echo $ROCR_VISIBLE_DEVICES ${CUDA_VISIBLE_DEVICES-none}; ls -d /dev/kfd /dev/dri/*; exec sleep 1000"
    jobs = []
    for number in range(2):
        job = cluster.submit(look, "-g", "1:mi300x", "--cpus", "0.1")
        cluster.await_state(job, "RUNNING")
        assert given(cluster, job) == [number]
        wanted = f"0 none\n/dev/dri/renderD{128 + number}\n/dev/kfd\n"
        wait_until(lambda job=job, wanted=wanted: said(cluster, "logs", str(job)) == wanted, "it has its own alone")
        jobs.append(job)
    # The driver tells of the first that it does nothing, and of the second nothing.
    gpus = wait_until(lambda: (lambda all_of_them: all_of_them if "use" in all_of_them[0] else None)(gpus_of(cluster)), "its use", WITHIN_S)
    assert gpus[0]["use"]["busy_percent"] == 0 and "use" not in gpus[1], gpus
    with open(os.path.join(cluster.folder, "policy.yaml"), "w", encoding="ascii") as file:
        file.write("gpus: {idle_warn: 10s, idle_end: 12s}\n")
    os.kill(cluster.pid("controller"), signal.SIGHUP)
    ended = cluster.await_end(jobs[0], limit_s=60)
    assert ended["state"] == "CANCELLED" and "0 % busy" in ended["ending"]["reason"], ended
    assert cluster.show(jobs[1])["state"] == "RUNNING" and "done nothing" not in said(cluster, "ps"), said(cluster, "ps")


def make_amd(cluster):
    """Two GPUs as the kernel's driver tells them; the second tells no use."""
    root = os.path.join(cluster.home, "driver")
    for number in range(2):
        node = f"sys/class/kfd/kfd/topology/nodes/{number + 1}"
        own = f"sys/class/drm/renderD{128 + number}/device"
        files = {f"{node}/gpu_id": f"{100 + number}\n",
                 f"{node}/properties": f"drm_render_minor {128 + number}\nlocation_id {256 * number}\nunique_id {4660 + number}\n",
                 f"{node}/mem_banks/0/properties": "heap_type 1\nsize_in_bytes 206141652992\n",
                 f"{own}/product_name": "AMD Instinct MI300X\n"}
        if number == 0:
            files[f"{own}/gpu_busy_percent"] = "0\n"
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            put(os.path.join(root, path), text)
        make_node(root, f"dri/renderD{128 + number}", 128 + number)
    os.makedirs(os.path.join(root, "sys/module/amdgpu"))
    put(os.path.join(root, "sys/module/amdgpu/version"), "6.7.8\n")
    make_node(root, "kfd", 9)
    return root
