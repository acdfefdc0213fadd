"""`-g N` on nodes whose GPUs are a double's: device nodes that no driver serves, a libnvidia-ml of the tests' own."""
import os
import re
import subprocess

from gpu_double import MINORS, make_driver
from harness import own_cluster, wait_until

LOOK = ("echo visible $CUDA_VISIBLE_DEVICES; echo path $LD_LIBRARY_PATH; ls /dev | grep nvidia | tr '\\n' ' '; echo; "
        "ls /run/nvidia/lib /run/nvidia/bin 2>/dev/null | tr '\\n' ' '; echo; "
        "for d in /dev/nvidia2*; do cat $d 2>&1; done; mknod /tmp/mine c 195 243 2>&1 || true")


def words(done, name):
    return [line.split()[1:] for line in done.out.decode().splitlines() if line.startswith(name)][0]


@own_cluster(nodes=2)
def test_jobs_get_the_gpus_that_they_ask_for_and_no_others(cluster):
    root = make_driver(cluster)
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    table = cluster.devrun("nodes").out.decode()
    assert len(re.findall(r"^node\d .* 0/2 ", table, re.M)) == 2, table  # of four, each node has every other one
    shown = cluster.devrun("nodes", "show", "node1").out.decode()
    assert "H100" in shown and "A100" not in shown and "80 GB" in shown, shown

    # Both of a node's: they are the job's 0 and 1; its devices are there and no others.
    done = cluster.sh(LOOK, "-g", "2:h100")
    lines = done.out.decode().splitlines()
    assert done.status == 0 and words(done, "visible") == ["0,1"], done
    assert words(done, "path") == ["/run/nvidia/lib"], done
    assert lines[2].split() == ["nvidia-uvm", "nvidia240", "nvidia242", "nvidiactl"], lines
    assert "libcuda.so.1" in lines[3] and "libnvidia-ml.so.1" in lines[3] and "nvidia-smi" in lines[3], lines
    # No driver serves the numbers, which is another refusal than that of the rules for devices.
    refusals = [line for line in lines if line.startswith("cat:")]
    assert len(refusals) == 2 and all("No such device or address" in line for line in refusals), lines
    assert "Operation not permitted" in lines[-1], lines
    job = cluster.jobs()[-1]["job"]
    assert cluster.show(job)["attempts"][0]["gpus"] == [0, 2]
    assert cluster.show(job)["attempts"][0]["wrote"] in (None, {}) or cluster.show(job)["attempts"][0]["wrote"]["files"] == 0

    # Without -g there is none of it.
    done = cluster.sh("ls /dev /run | grep nvidia; echo ${CUDA_VISIBLE_DEVICES-unset} ${LD_LIBRARY_PATH-unset}")
    assert done.out == b"unset unset\n", done

    # Each has its own; who finds none waits, says why, and starts when one is given back.
    first = cluster.submit("exec sleep 1000", "-g", "1:A100", "--cpus", "0.2")
    cluster.await_state(first, "RUNNING")
    second = cluster.submit("echo $CUDA_VISIBLE_DEVICES; ls /dev | grep nvidia24; exec sleep 1000", "-g", "1:A100", "--cpus", "0.2")
    cluster.await_state(second, "RUNNING")
    indices = [cluster.show(job)["attempts"][0]["gpus"] for job in (first, second)]
    assert indices == [[1], [3]], indices
    wait_until(lambda: cluster.devrun("logs", str(second)).out == b"0\nnvidia243\n", "it has the other device, as its 0")
    third = cluster.submit("true", "-g", "1:A100", "--cpus", "0.2")
    said = cluster.devrun("explain", str(third)).out.decode()
    assert "needs 1 A100 GPU on one node; the largest free is 0 A100 GPUs" in said, said
    shown = cluster.devrun("nodes", "show", "node2").out.decode()
    assert str(first) in shown and str(second) in shown, shown
    assert "node2:1" in cluster.devrun("ps").out.decode(), cluster.devrun("ps").out
    # A session is in the same container, with the same devices and variables.
    done = cluster.devrun("exec", str(first), "sh", "-c", "ls /dev | grep nvidia24; echo $CUDA_VISIBLE_DEVICES")
    assert done.out == b"nvidia241\n0\n", done
    cluster.devrun("cancel", str(first))
    assert cluster.await_end(third)["state"] == "SUCCEEDED"
    never = cluster.submit("true", "-g", "3", "--cpus", "0.2")
    said = cluster.devrun("explain", str(never)).out.decode()
    assert "needs 3 GPUs on one node; the largest has 2 GPUs" in said, said
    # A restart of everything but the jobs changes nothing of who has what.
    cluster.kill("controller")
    cluster.kill("node2.agent")
    cluster.mend()
    assert cluster.show(second)["attempts"][0]["gpus"] == [3]
    cluster.cancel_all()

    # What an administrator has written counts.
    with open(os.path.join(root, "etc/cdi/nvidia.yaml"), "w", encoding="ascii") as file:
        file.write("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ncontainerEdits:\n  deviceNodes:\n  - path: /dev/nvidiactl\n"
                   "devices:\n" + "".join(
                       f"- name: \"{index}\"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia{minor}\n"
                       for index, minor in enumerate(MINORS)))
    done = cluster.sh("ls /dev | grep nvidia; ls /run/nvidia 2>/dev/null", "-g", "1:H100")
    assert done.out == b"nvidia240\nnvidiactl\n", done
    # One of another driver is an error, with the place and what to do.
    with open(os.path.join(root, "etc/cdi/nvidia.yaml"), "a", encoding="ascii") as file:
        file.write("  containerEdits:\n    mounts:\n    - hostPath: /usr/lib/libcuda.so.535.9\n      containerPath: /usr/lib/libcuda.so.535.9\n".replace(
            "  containerEdits", "- name: GPU-0000-0\n  containerEdits", 1))
    done = cluster.sh("echo never", "-g", "1:H100")
    assert done.status == 125 and "/usr/lib/libcuda.so.535.9, which the node's CDI specification names" in done.err, done
    assert "Try: nvidia-ctk cdi generate" in done.err and done.out == b"", done
    os.remove(os.path.join(root, "etc/cdi/nvidia.yaml"))
    # A device that is gone is said, and starts nothing.
    os.remove(os.path.join(root, "dev/nvidia240"))
    done = cluster.sh("echo never", "-g", "1:H100")
    assert done.status == 125 and "cannot have its GPUs" in done.err and done.out == b"", done


@own_cluster(nodes=1)
def test_a_dev_container_has_the_gpu_that_its_first_shell_asked_for(cluster):
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", make_driver(cluster))
    assert done.status == 0, done

    def shell(*words):
        return cluster.devrun("shell", *words, cluster.volume, "--", "sh", "-c",
                              "echo $DEVRUN_NODE $CUDA_VISIBLE_DEVICES; ls /dev | grep nvidia2; echo x > /work/live")
    done = shell("-g", "1:h100", "--memory", "200M")
    assert done.status == 0 and done.out == b"node1 0\nnvidia240\n", done
    assert os.path.exists(cluster.live("work/live"))
    assert shell().out == done.out, "who joins has it, too"
    assert re.search(r"^node1 .* 1/", cluster.devrun("nodes").out.decode(), re.M), cluster.devrun("nodes")
    done = shell("-g", "2")
    assert done.status == 125 and "runs already, on node1, with" in done.err, done
    assert cluster.devrun("shell", "--stop", cluster.volume).status == 0


@own_cluster(nodes=1)
def test_a_driver_that_does_not_answer_leaves_a_node_without_gpus(cluster):
    root = make_driver(cluster)
    os.remove(os.path.join(root, "usr/lib/x86_64-linux-gnu/gpus"))
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    assert cluster.sh("true").status == 0
    assert "no GPU is offered" in cluster.logs(), "the agent's log says so"
    probe = subprocess.run([os.path.join(cluster.bin, "devrun-gpus"), "--library",
                            os.path.join(root, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert probe.returncode == 4, probe
