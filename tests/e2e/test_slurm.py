"""Pilots: nodes inside allocations of a real slurmctld and slurmd, on hosts with roots of their own (slurm_lab.py)."""
import os
import re
import time

import harness
import hosts
import slurm_lab
from test_install import give_packages, blocks, make_controller, nodes, packages, show, submit

POLICY = """
idle_for: 5s
lead: 10s
grace: 6s
poll_every: 1s
max: 3
kinds:
- {name: cpu, cpus: 2, memory: 1500M, time: %s, partition: %s, pools: [slurm]}
"""
STARTS_S = 90


LONGER = "- {name: longer, cpus: 1, memory: 1G, time: 20m, pools: [slurm]}\n"


def configure(controller, time_limit="10m", partition="batch", more=""):
    slurm_lab.write(controller, "/etc/devrun/slurm.yaml", POLICY % (time_limit, partition) + more)
    controller.run("devrun-slurm --check-config\nsystemctl restart devrun-slurm")


def pilots(controller, *states):
    """Slurm's jobs that are pilots, by name: (job, state). Without states: those that are not over."""
    done = controller.run("squeue --noheader --states=all --format='%i|%j|%T|%k'")
    out = {}
    for line in done.out.decode().splitlines():
        job, name, state, comment = line.split("|")
        if not comment.startswith("devrun-pilot:"):
            continue
        if state in (states or ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")):
            assert name not in out, done
            out[name] = (int(job), state)
    return out


def submissions(controller):
    """How many pilots there were in all."""
    done = controller.run("squeue --noheader --states=all --format='%i|%k' | grep -c devrun-pilot: || true")
    return int(done.out)


def await_state(controller, job, state, limit_s=STARTS_S):
    harness.wait_until(lambda: show(controller, job)["state"] == state, f"job {job} is {state}", limit_s)


def await_gone(controller, host):
    """No pilot is left: neither at Slurm nor at the controller, nor anything of it on its machine."""
    harness.wait_until(lambda: not pilots(controller), "no allocation is left", STARTS_S)
    harness.wait_until(lambda: not [name for name in nodes(controller) if name.startswith("slurm-")], "no node is left", 30)
    nothing_left(host)


def nothing_left(host):
    # Of the whole kernel, in no namespace: processes by the folder that their words name.
    done = host.do("pgrep -af 'devrun-|/var/lib/devrun/pilots' || true")
    assert b"pilots/" not in done.out and b"devrun-agent" not in done.out and b"devrun-fs" not in done.out, done
    assert "/var/lib/devrun/pilots" not in host.run("cat /proc/mounts").out.decode()
    assert host.run("ls -d /run/devrun-slurm/*/ 2>/dev/null || true").out.strip() == b""
    for name in host.run("ls /var/lib/devrun/pilots 2>/dev/null || true").out.decode().split():
        if not name.endswith(".lock"):
            left = host.run(f"ls /var/lib/devrun/pilots/{name}").out.decode().split()
            assert left in ([], ["cache"]), left
    for top in host.run("ls -d /sys/fs/cgroup/*/devrun-* 2>/dev/null || true").out.decode().split():
        raise AssertionError(f"{top} is left")


def test_pilots_come_when_jobs_wait_and_leave_when_idle(build):
    with site(build, "cgroup") as (lan, controller, host):
        a_job_brings_its_node_and_the_node_leaves(controller, host)
        a_job_is_kept_off_an_allocation_that_ends_before_it(controller, host)
        an_ended_allocation_retries_its_job(controller, host)
        a_killed_daemon_asks_for_nothing_twice(controller)
        await_gone(controller, host)
        slurm_refuses_and_the_administrator_is_told(controller)
        await_gone(controller, host)
        no_secret_lies_with_slurm(lan)


test_pilots_come_when_jobs_wait_and_leave_when_idle.own = True
test_pilots_come_when_jobs_wait_and_leave_when_idle.limit_s = 560


def test_time_limits_and_kills_of_pilots(build):
    # Slurm signals the process alone that it has started, and its group: what is below goes by the kernel's word.
    with site(build, "pgid") as (_, controller, host):
        a_killed_pilot_takes_all_of_its_node_along(controller, host)
        the_time_limit_is_told_and_held(controller, host)
        await_gone(controller, host)


test_time_limits_and_kills_of_pilots.own = True
test_time_limits_and_kills_of_pilots.long = True  # Slurm counts time limits by the minute
test_time_limits_and_kills_of_pilots.limit_s = 500


class site:
    """A controller, and a machine of Slurm's on which devrun's programs are installed and nothing of it runs."""

    def __init__(self, build, proctrack):
        slurm_lab.need()
        self.paths, self.proctrack = packages(build), proctrack
        self.lan = hosts.Lan("ctl", "s1")

    def __enter__(self):
        self.lan.__enter__()
        try:
            controller, host = self.lan.hosts
            make_controller(controller, self.paths)
            give_packages(host, self.paths)
            host.run("cd /root\n" + blocks("node")[0], limit_s=120)
            slurm_lab.begin(self.lan, controller, [host], proctrack=self.proctrack)
            harness.make_root(controller.path("/srv/root"))
            controller.run("devrun volume create dev --from-dir /srv/root")
            configure(controller)
        except BaseException:
            print(slurm_lab.logs(self.lan), flush=True)
            self.lan.end()
            raise
        return self.lan, controller, host

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(slurm_lab.logs(self.lan), flush=True)
        self.lan.__exit__(kind, value, trace)


def a_job_brings_its_node_and_the_node_leaves(controller, host):
    job = submit(controller, "while [ ! -e /root/end ]; do sleep 0.1; done; echo ran on $DEVRUN_NODE", "--cpus 2 --memory 512M")
    await_state(controller, job, "RUNNING")
    assert list(pilots(controller)) == ["slurm-1"]
    node = controller.json("devrun nodes show slurm-1 --json")["nodes"][0]
    total = node["total"]
    assert (total["cpu_milli"], total["memory_bytes"], total["gpus"]) == (2000, 1500 << 20, 0), node
    assert node["pools"] == ["slurm"], node
    # Its cgroup is below the allocation's, whose limit binds it.
    (slurm_job, _), = pilots(controller).values()
    (group,) = host.run(f"find /sys/fs/cgroup/memory -path '*/job_{slurm_job}/*' -name '{job}_*'").out.decode().split()
    assert re.search(rf"job_{slurm_job}/step_batch/task_0/devrun-\w+/slurm-1/", group), group
    assert int(host.run(f"cat '{group}/memory.limit_in_bytes'").out) == 512 << 20
    assert host.run(f"cat '{group}/cgroup.procs'").out, "the job is in it"
    of_allocation = group[:group.index("/task_0")]
    assert int(host.run(f"cat {of_allocation}/memory.limit_in_bytes").out) == 1500 << 20
    old = host.run("cat /var/lib/devrun/pilots/0/pki/slurm-1.pem /var/lib/devrun/pilots/0/pki/ca.crt").out
    controller.run(f"devrun exec {job} touch /root/end")
    await_state(controller, job, "SUCCEEDED")
    assert controller.run(f"devrun logs {job}").out == b"ran on slurm-1\n"
    await_gone(controller, host)
    assert os.listdir(host.path("/var/lib/devrun/pilots/0/cache")), "what was read is kept for the next pilot"
    its_certificate_is_void(controller, old)


def its_certificate_is_void(controller, old):
    slurm_lab.write(controller, "/root/old/pilot.pem", old.decode())
    slurm_lab.write(controller, "/root/old/config.yaml", f"controller: {controller.address}:7443\nca: pilot.pem\ncert: pilot.pem\nkey: pilot.pem\n")
    said = controller.do("sed -n '/BEGIN CERT/,$p' /root/old/pilot.pem | awk '/BEGIN CERT/{n++} n==2' > /root/old/ca.pem\n"
                         "sed -i 's/^ca:.*/ca: ca.pem/' /root/old/config.yaml\n"
                         "DEVRUN_CONFIG=/root/old/config.yaml devrun nodes")
    assert said.status == 125 and "is revoked" in said.err, said


def a_job_is_kept_off_an_allocation_that_ends_before_it(controller, host):
    configure(controller, time_limit="3m")
    short = submit(controller, "while [ ! -e /root/over ]; do sleep 0.1; done", "--cpus 1 --memory 256M")
    await_state(controller, short, "RUNNING")
    node = controller.json("devrun nodes show slurm-1 --json")["nodes"][0]
    left = node["leaves_us"] / 1e6 - time.time()
    assert 60 < left <= 180, (left, node)
    fits = submit(controller, "echo fits on $DEVRUN_NODE", "--cpus 1 --memory 256M --time 1m")
    await_state(controller, fits, "SUCCEEDED")
    assert controller.run(f"devrun logs {fits}").out == b"fits on slurm-1\n"
    longer = submit(controller, "echo ran on $DEVRUN_NODE", "--cpus 1 --memory 256M --time 10m")
    why = controller.run(f"devrun explain {longer}").out.decode()
    assert "slurm-1 leaves in" in why and "before a time limit of 10m" in why, why
    configure(controller, time_limit="3m", more=LONGER)
    await_state(controller, longer, "SUCCEEDED")
    assert controller.run(f"devrun logs {longer}").out == b"ran on slurm-2\n"
    controller.run(f"devrun exec {short} touch /root/over")
    await_state(controller, short, "SUCCEEDED")
    await_gone(controller, host)
    configure(controller)


def an_ended_allocation_retries_its_job(controller, host):
    """scancel: the job is told, its output comes, and it begins again on another pilot."""
    script = "[ $DEVRUN_ATTEMPT = 2 ] && echo again && exit 0; trap \"echo told; exit 0\" TERM; echo begun; while :; do sleep 0.1; done"
    job = submit(controller, script, "--retries 1")
    harness.wait_until(lambda: b"begun" in controller.do(f"devrun logs {job}").out, "it has begun", STARTS_S)
    (slurm_job, _), = pilots(controller).values()
    controller.run(f"scancel {slurm_job}")
    await_state(controller, job, "SUCCEEDED")
    done = show(controller, job)
    first = done["attempts"][0]["ending"]
    assert first["cause"] == "LOST" and "left the cluster" in first["reason"], first
    assert len(done["attempts"]) == 2, done
    assert controller.run(f"devrun logs {job}#1").out == b"begun\ntold\n"
    assert controller.run(f"devrun logs {job}").out.endswith(b"again\n")
    await_gone(controller, host)


def a_killed_daemon_asks_for_nothing_twice(controller):
    blocker = int(controller.run("sbatch --parsable --exclusive --mem=0 --output=/dev/null --wrap 'sleep 600'").out)
    harness.wait_until(lambda: b"RUNNING" in controller.do(f"squeue --noheader --jobs={blocker} --format=%T").out, "it is full", 30)
    before = submissions(controller)
    job = submit(controller, "echo well")
    for _ in range(4):
        harness.wait_until(lambda: pilots(controller), "it has asked", 30)
        controller.run("kill -9 $(cat /run/units/devrun-slurm.service)")
        controller.run("systemctl start devrun-slurm")
        # It looks, and looks again: by its log, which has a line for each thing that it does.
        until = time.monotonic() + 3
        harness.wait_until(lambda: time.monotonic() > until, "some rounds are over", 10)
    assert submissions(controller) == before + 1 and len(pilots(controller)) == 1
    said = controller.run("devrun-slurm status").out.decode()
    assert "slurm-1" in said and "waits for Slurm" in said and "next:" not in said, said
    controller.run(f"scancel {blocker}")
    await_state(controller, job, "SUCCEEDED")
    assert submissions(controller) == before + 1


def slurm_refuses_and_the_administrator_is_told(controller):
    configure(controller, partition="nowhere")
    job = submit(controller, "echo at last")
    refused = harness.wait_until(lambda: b"refused by Slurm" in controller.run("devrun-slurm status").out and
                                 controller.run("devrun-slurm status").out.decode(), "it is told", 30)
    assert "cpu: sbatch ended with 1" in refused and "invalid partition" in refused, refused
    log = controller.run("cat /var/log/devrun-slurm.service.log").out.decode()
    assert "Slurm refuses a pilot of kind cpu" in log and "The next try is in 10" in log, log
    assert log.count("Slurm refuses") <= 3, log
    assert show(controller, job)["state"] == "QUEUED"
    configure(controller)
    await_state(controller, job, "SUCCEEDED")
    assert "refused" not in controller.run("devrun-slurm status").out.decode()


def no_secret_lies_with_slurm(lan):
    controller, host = lan.hosts
    for one in (controller, host):
        done = one.do("grep -rlE 'devrun1\\.[A-Za-z0-9_-]+\\.' /var/spool /var/log /etc/slurm /run/devrun-slurm 2>/dev/null")
        assert done.out == b"", done


def a_killed_pilot_takes_all_of_its_node_along(controller, host):
    script = "[ $DEVRUN_ATTEMPT = 2 ] && echo again && exit 0; echo begun; exec sleep 1000"
    job = submit(controller, script, "--retries 1")
    harness.wait_until(lambda: b"begun" in controller.do(f"devrun logs {job}").out, "it has begun", STARTS_S)
    pid = host.run("pgrep -of 'devrun-slurm pilot'").out.decode().strip()
    host.run(f"kill -9 {pid}")
    harness.wait_until(lambda: host.do("pgrep -x sleep").status == 1, "its programs are gone", 10)
    await_state(controller, job, "SUCCEEDED")
    first = show(controller, job)["attempts"][0]["ending"]
    assert first["cause"] == "LOST" and "slurm-1" in first["reason"], first
    await_gone(controller, host)


def the_time_limit_is_told_and_held(controller, host):
    configure(controller, time_limit="1m")
    job = submit(controller, "trap \"echo told; exit 0\" TERM; echo begun; while :; do sleep 0.1; done")
    harness.wait_until(lambda: b"begun" in controller.do(f"devrun logs {job}").out, "it has begun", STARTS_S)
    harness.wait_until(lambda: "ends soon" in controller.do("devrun nodes").out.decode(), "nothing new begins there", 90)
    await_state(controller, job, "NODE_LOST", 120)
    assert controller.run(f"devrun logs {job}").out == b"begun\ntold\n"
    ending = show(controller, job)["attempts"][0]["ending"]
    assert "left the cluster" in ending["reason"], ending
