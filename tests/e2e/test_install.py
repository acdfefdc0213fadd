"""Clusters of several machines: hosts with roots, networks and processes of their own, installed from the packages by the
commands of docs/install.md."""
import glob
import inspect
import json
import os
import re
import subprocess
import time

import harness
import hosts
import test_users

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN_S = 60


def packages(build):
    """Paths of the .debs and the bundle, made once for a build."""
    folder = os.path.join(build, "packages")
    programs = [os.path.join(build, "bin", name) for name in os.listdir(os.path.join(build, "bin"))
                if name == "devrun" or name.startswith("devrun-")]
    made = glob.glob(os.path.join(folder, "*"))
    if len(made) < 4 or min(map(os.path.getmtime, made)) < max(map(os.path.getmtime, programs)):
        done = subprocess.run([os.path.join(SOURCE, "deploy/make-packages"), build], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout
    return sorted(glob.glob(os.path.join(folder, "*")))


def blocks(kind):
    """The commands of docs/install.md for such a machine, in their order."""
    with open(os.path.join(SOURCE, "docs/install.md"), encoding="utf-8") as file:
        return re.findall(rf"^```sh {kind}\n(.*?)^```$", file.read(), re.M | re.S)


def here(text):
    """With the addresses of the tests' network."""
    return text.replace("10.0.0.1", f"{hosts.NETWORK}.11").replace("10.0.0.0/24", f"{hosts.NETWORK}.0/24")


def give_packages(host, paths):
    for path in paths:
        if path.endswith(".deb"):
            host.copy(path, f"/root/{os.path.basename(path)}")


def make_controller(host, paths):
    give_packages(host, paths)
    install, look = blocks("controller")[:2]
    host.run("cd /root\n" + here(install), limit_s=120)
    harness.wait_until(lambda: b"storage  up" in host.do("devrun nodes").out, "the storage agent is up", 30)
    host.run(here(look))


def make_node(host, controller, name, paths):
    give_packages(host, paths)
    install, begin = blocks("node")
    host.run("cd /root\n" + install, limit_s=120)
    line = controller.run(blocks("add")[0].replace("node1", name)).out.decode()
    assert line.startswith(f"devrun nodes join {hosts.NETWORK}.11:7444 devrun1."), line
    said = host.run(line)
    assert f"this machine is {name}" in said.err, said
    host.run(begin)
    harness.wait_until(lambda: nodes(controller).get(name), f"{name} is up", 30)
    return line


def nodes(controller):
    """Which are connected; none while the controller is away."""
    done = controller.do("devrun nodes --json")
    return {node["name"]: node["connected"] for node in json.loads(done.out)["nodes"]} if done.status == 0 else {}


def submit(controller, script, *options):
    words = " ".join(options)
    done = controller.run(f"devrun --volume dev -d {words} -- sh -c '{script}'")
    return int(done.out)


def show(controller, job):
    return controller.json(f"devrun show {job} --json")


def up_leaves_a_cluster_alone(host, role):
    """It would end what runs there, and pair the journal with an empty store."""
    before = host.run("pgrep -x 'devrun-(controller|agent|fs|keeper)' | sort").out
    done = host.do("devrun up")
    assert done.status == 125 and f"/etc/devrun/{role}.yaml" in done.err and "systemctl" in done.err, done
    assert host.run("pgrep -x 'devrun-(controller|agent|fs|keeper)' | sort").out == before
    assert not os.path.exists(host.path("/var/lib/devrun/store.img"))


def test_a_cluster_of_three_machines_is_installed_by_the_docs(build):
    paths = packages(build)
    with hosts.Lan("ctl", "one", "two") as lan:
        controller, first, second = lan.hosts
        make_controller(controller, paths)
        line = make_node(first, controller, "node1", paths)
        make_node(second, controller, "node2", paths)
        nothing_is_shared(lan)

        harness.make_root(controller.path("/srv/root"))
        create, job = blocks("controller")[2].strip().split("\n")
        controller.run(create)
        controller.run(job)
        for name, host in (("node1", first), ("node2", second)):
            done = controller.run("devrun --volume dev --nodes 2 -- sh -c 'echo $DEVRUN_NODE; cat /work/version'")
            assert name in done.out.decode() and "one" in done.out.decode(), done
            assert os.listdir(host.path("/var/lib/devrun/nodes/" + name + "/fs/cache")), "it has read over NFS"

        up_leaves_a_cluster_alone(controller, "controller")
        up_leaves_a_cluster_alone(first, "agent")
        doctor_names_what_is_wrong(second)
        a_token_is_good_once(line, second)
        jobs_outlive_restarts(lan)
        a_keeper_takes_its_jobs_along(lan)
        keys_stay_where_they_were_made(lan)
        a_local_user_has_no_way_in(lan)
        a_folder_of_the_site_decides_where_a_job_runs(lan)
        a_revoked_node_is_refused(controller, second)
        the_rest_goes_on(controller)
    leave_nothing(lan)


test_a_cluster_of_three_machines_is_installed_by_the_docs.own = True
test_a_cluster_of_three_machines_is_installed_by_the_docs.limit_s = 400


FILER = """
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = 2049; Bind_addr = {address}; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }}
NFS_KRB5 {{ Active_krb5 = false; }}
NFSV4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = /var/lib/filer; Minor_Versions = 0, 1, 2; }}
EXPORT {{
  Export_Id = 7; Path = /srv/devrun/export; Pseudo = /filer/devrun; Access_Type = NONE; Squash = Root_Squash; SecType = sys;
  Transports = TCP; PrivilegedPort = true;
  CLIENT {{ Clients = {network}.0/24; Access_Type = RO; Squash = Root_Squash; }}
  FSAL {{ Name = VFS; }}
}}
"""


def test_nodes_read_from_a_server_that_is_there_already(build):
    """docs/install.md, A filer: devrun starts no NFS server; another one exports STORE/export, read-only and with root squashed."""
    paths = packages(build)
    with hosts.Lan("ctl", "one") as lan:
        controller, node = lan.hosts
        give_packages(controller, paths)
        with open(controller.path("/root/filer.conf"), "w", encoding="ascii") as file:
            file.write(FILER.format(address=controller.address, network=hosts.NETWORK))
        controller.run("mkdir -p /srv/devrun/export /var/lib/filer; DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent "
                       "ganesha.nfsd -f /root/filer.conf -p /run/filer.pid -L /root/filer.log -N NIV_EVENT")
        install = here(blocks("controller")[0])
        text = re.sub(r"  listen: .*\n  networks: .*\n", f"  server: {controller.address}:2049/filer/devrun\n", install)
        assert text != install
        controller.run("cd /root\n" + text, limit_s=120)
        harness.wait_until(lambda: b"storage  up" in controller.do("devrun nodes").out, "the storage agent is up", 30)
        assert controller.do("pgrep -c ganesha.nfsd").out == b"1\n", "devrun has started none of its own"
        make_node(node, controller, "node1", paths)
        harness.make_root(controller.path("/srv/root"))
        os.chmod(controller.path("/srv/root/work/version"), 0o600)
        controller.run("devrun volume create dev --from-dir /srv/root")
        done = controller.run("devrun --volume dev -C /work -- sh -c 'cat version; cat /data/blob | wc -c'")
        assert done.out.split() == [b"one", b"3145728"], done
        assert os.listdir(node.path("/var/lib/devrun/nodes/node1/fs/cache")), "it has read over NFS"
    leave_nothing(lan)


test_nodes_read_from_a_server_that_is_there_already.own = True
test_nodes_read_from_a_server_that_is_there_already.limit_s = 300


def leave_nothing(lan):
    assert not os.path.exists(lan.folder)
    assert not [name for name in os.listdir("/run/netns") if name.startswith(lan.mark)]


def nothing_is_shared(lan):
    for number, host in enumerate(lan.hosts):
        for folder in ("/etc/devrun", "/var/lib/devrun", "/srv", "/run", "/root"):
            with open(host.path(f"{folder}/of-host"), "w", encoding="ascii") as file:
                file.write(str(number))
    for number, host in enumerate(lan.hosts):
        for folder in ("/etc/devrun", "/var/lib/devrun", "/srv", "/run", "/root"):
            assert host.run(f"cat {folder}/of-host").out == str(number).encode(), (host.name, folder)
    assert "store" not in lan.hosts[1].run("ls /srv").out.decode()


def doctor_names_what_is_wrong(host):
    host.run("cp /etc/devrun/agent.yaml /root/good; echo 'cashe: 1G' >> /etc/devrun/agent.yaml")
    said = host.do("devrun doctor")
    assert said.status == 125, said
    assert b"there is no 'cashe', did you mean 'cache'?" in said.out and b"nfs-ganesha" not in said.out, said
    host.run("cp /root/good /etc/devrun/agent.yaml; devrun doctor")


def a_token_is_good_once(line, other):
    used = other.do(line)
    assert used.status == 125 and "has been used" in used.err, used
    damaged = other.do(line.strip()[:-1])
    assert damaged.status == 2 and "no token" in damaged.err, damaged
    # Another authority's fingerprint: whoever answers there is not the controller of that token.
    head, secret, fingerprint = line.strip().rsplit(".", 2)
    strange = other.do(f"{head}.{secret}.{fingerprint[::-1][1:]}A")
    assert strange.status in (2, 125), strange
    flipped = ("A" if fingerprint[0] != "A" else "B") + fingerprint[1:]
    strange = other.do(f"{head}.{secret}.{flipped}")
    assert strange.status == 125 and "authority is another" in strange.err, strange


def jobs_outlive_restarts(lan):
    """A restart of the agent, and an upgrade's, leave jobs alive; and so does one of the controller."""
    controller = lan.hosts[0]
    job = submit(controller, "echo begins; while [ ! -e /root/end ]; do sleep 0.1; done; echo well")
    harness.wait_until(lambda: show(controller, job)["state"] == "RUNNING", "it runs")
    name = show(controller, job)["attempts"][-1]["node"]
    node = next(one for one in lan.hosts[1:] if os.path.isdir(one.path(f"/var/lib/devrun/nodes/{name}")))
    before = agent_pid(node)
    node.run("systemctl restart devrun-agent")
    assert agent_pid(node) not in (before, None)
    node.run("apt-get install -y --reinstall --allow-downgrades /root/devrun-agent_*.deb", limit_s=120)
    controller.run("systemctl restart devrun-controller")
    harness.wait_until(lambda: nodes(controller).get(name), f"{name} is up again", 30)
    assert show(controller, job)["state"] == "RUNNING"
    controller.run(f"devrun exec {job} touch /root/end")
    harness.wait_until(lambda: show(controller, job)["state"] == "SUCCEEDED", "it ends well", 30)
    assert b"begins\nwell\n" == controller.run(f"devrun logs {job}").out


def a_keeper_takes_its_jobs_along(lan):
    """What it held is gone with it; nothing of that is left, and the node begins anew."""
    controller = lan.hosts[0]
    job = submit(controller, "exec sleep 1000")
    harness.wait_until(lambda: show(controller, job)["state"] == "RUNNING", "it runs")
    name = show(controller, job)["attempts"][-1]["node"]
    node = next(one for one in lan.hosts[1:] if os.path.isdir(one.path(f"/var/lib/devrun/nodes/{name}")))
    node.run("systemctl restart devrun-keeper")
    harness.wait_until(lambda: show(controller, job)["state"] == "NODE_LOST", "its job is over", 30)
    assert node.do("pgrep -x sleep").status == 1
    harness.wait_until(lambda: nodes(controller).get(name), f"{name} is up again", 30)
    done = controller.run("devrun --volume dev --nodes 2 -- cat /work/version")
    assert done.out.decode().count("one") == 2, done


def agent_pid(host):
    done = host.do("cat /run/units/devrun-agent.service")
    return int(done.out) if done.status == 0 else None


def keys_stay_where_they_were_made(lan):
    controller, first, second = lan.hosts
    names = set(controller.run("ls /var/lib/devrun/pki").out.decode().split())
    assert "ca.key" in names and not any(name.startswith("node") for name in names), names
    for host, name in ((first, "node1"), (second, "node2")):
        files = set(host.run("ls /var/lib/devrun/pki").out.decode().split())
        assert files == {"ca.crt", f"{name}.pem"}, files
        assert host.run(f"stat -c %a /var/lib/devrun/pki/{name}.pem").out.strip() == b"600"
    assert b"PRIVATE" not in controller.run("cat /var/lib/devrun/controller/enrolment.json").out


def a_local_user_has_no_way_in(lan):
    """Somebody with a login on the machines, and no certificate: neither the store's bodies nor containers' sockets."""
    controller, first, _ = lan.hosts
    job = submit(controller, "sleep 1000")
    harness.wait_until(lambda: show(controller, job)["state"] == "RUNNING", "it runs")
    host = first if first.do("ls /var/lib/devrun/nodes/node1/sockets/*/socket").status == 0 else lan.hosts[2]
    sockets = host.run("ls /var/lib/devrun/nodes/*/sockets/*/socket").out.decode().split()
    assert sockets, "a job's socket"
    connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    for path in sockets:
        done = host.do(f"setpriv --reuid=65534 --regid=65534 --clear-groups python3 -c '{connect}' '{path}'")
        assert done.status != 0 and "Permission denied" in done.err, done
    for path in ("/srv/devrun/export", "/srv/devrun/volumes", "/srv/devrun/jobs"):
        assert controller.run(f"ls {path}").status == 0
        done = controller.do(f"setpriv --reuid=65534 --regid=65534 --clear-groups ls {path}")
        assert done.status != 0 and "Permission denied" in done.err, done
    controller.run(f"devrun cancel {job}")


def a_folder_of_the_site_decides_where_a_job_runs(lan):
    controller, first, _ = lan.hosts
    first.run("mkdir -p /srv/site && echo here > /srv/site/file\n"
              "echo 'site_mounts: [{from: /srv/site, ids: container}]' >> /etc/devrun/agent.yaml\n"
              "devrun-start agent --check-config && systemctl restart devrun-agent")
    harness.wait_until(lambda: b"/srv/site" in controller.do("devrun nodes show node1").out, "node1 says what it has mounted", 30)
    for _ in range(3):
        done = controller.run("devrun --volume dev -C /srv/site -- sh -c 'cat file; echo $DEVRUN_NODE'")
        assert done.out == b"here\nnode1\n", done
    controller.run("devrun nodes drain node1 away")
    job = int(controller.run("devrun --volume dev -d -C /srv/site -- true").out)
    why = controller.run(f"devrun explain {job}").out.decode()
    assert "site mount /srv/site" in why and "1 other node has not" in why, why
    controller.run("devrun nodes undrain node1")
    harness.wait_until(lambda: show(controller, job)["state"] == "SUCCEEDED", "it has begun and ended", 30)
    first.run("sed -i /site_mounts/d /etc/devrun/agent.yaml && systemctl restart devrun-agent")
    harness.wait_until(lambda: b"/srv/site" not in controller.do("devrun nodes show node1").out and nodes(controller).get("node1"),
                       "it is as before", 30)


def reads_store(host, controller):
    """Whether the store's NFS server answers that machine, asked as root there."""
    script = ("import contextlib, socket, struct\n" + inspect.getsource(test_users.nfs_status) +
              f"\nprint(nfs_status(('{controller.address}', 2049), True, '{host.address}'))\n")
    done = host.run("python3 -", stdin=script.encode())
    assert done.out in (b"(True, 0)\n", b"(True, 13)\n"), done  # NFS4ERR_ACCESS
    return done.out == b"(True, 0)\n"


def a_revoked_node_is_refused(controller, host):
    assert reads_store(host, controller)
    said = controller.run("devrun nodes revoke node2")
    assert "refused from now on" in said.err, said
    assert f"the store's NFS server answers {host.address} no more" in said.err, said
    harness.wait_until(lambda: not reads_store(host, controller), "the NFS server has read its configuration", 10)
    assert reads_store(controller, controller), "others are answered"
    harness.wait_until(lambda: not nodes(controller).get("node2"), "it is gone at once", 10)
    harness.wait_until(lambda: "is revoked" in host.do("cat /var/log/devrun-agent.service.log").out.decode(),
                       "its agent is told so")
    host.run("systemctl restart devrun-agent")
    controller.run("systemctl restart devrun-controller")
    harness.wait_until(lambda: nodes(controller).get("node1"), "node1 is up again", 30)
    assert not nodes(controller).get("node2"), "a restart forgets no revocation"
    controller.run("systemctl restart devrun-nfs")
    listens = f"python3 -c 'import socket; socket.create_connection((\"{controller.address}\", 2049))'"
    harness.wait_until(lambda: controller.do(listens).status == 0, "the NFS server listens", 20)
    harness.wait_until(lambda: not reads_store(host, controller), "nor does one of the NFS server", 20)
    controller.run("devrun nodes lost node2")
    # It may come back, by a new line, where its old identity counts no more.
    line = controller.run("devrun nodes add node2").out.decode()
    controller.run("devrun nodes revoke node2")
    late = host.do(line)
    assert late.status == 125 and "no longer, good" in late.err, late
    host.run(controller.run("devrun nodes add node2").out.decode())
    host.run("systemctl restart devrun-agent")
    harness.wait_until(lambda: nodes(controller).get("node2"), "node2 is back", 30)
    harness.wait_until(lambda: reads_store(host, controller), "and reads the store again", 10)


def the_rest_goes_on(controller):
    done = controller.run("devrun --volume dev -- echo still well")
    assert done.out == b"still well\n", done


def test_a_certificate_renews_itself(build):
    paths = packages(build)
    with hosts.Lan("ctl", "one") as lan:
        controller, node = lan.hosts
        make_controller(controller, paths)
        controller.run("echo 'certificates_for: 20s' >> /etc/devrun/controller.yaml\nsystemctl restart devrun-controller")
        make_node(node, controller, "node1", paths)
        first = node.run("cat /var/lib/devrun/pki/node1.pem").out
        pid = agent_pid(node)

        def renewed():
            now = node.run("cat /var/lib/devrun/pki/node1.pem").out
            return now if now != first else None
        second = harness.wait_until(renewed, "another certificate", RUN_S)
        assert second.count(b"PRIVATE KEY") == 2 and first.split(b"-----")[2] != second.split(b"-----")[2], "another key, too"
        # Past the end of the first one.
        until = time.monotonic() + 25
        harness.wait_until(lambda: time.monotonic() > until, "the first one has ended", 30)
        controller.run("systemctl restart devrun-controller")
        harness.wait_until(lambda: nodes(controller).get("node1"), "the new one is good for new connections", 30)
        assert agent_pid(node) == pid, "the same process, for systemd"


test_a_certificate_renews_itself.own = True
test_a_certificate_renews_itself.long = True
test_a_certificate_renews_itself.limit_s = 240


def test_the_bundle_runs_in_a_root_without_anything(build):
    """The static programs, unpacked into a root that has nothing else."""
    bundle = next(path for path in packages(build) if path.endswith(".tar.gz"))
    with hosts.Lan("bare") as lan:
        host = lan.hosts[0]
        host.copy(bundle, "/srv/bundle.tar.gz")
        host.run("mkdir -p /srv/bare/etc/devrun && tar -C /srv/bare --strip-components=1 -xf /srv/bundle.tar.gz")
        with open(os.path.join(SOURCE, "deploy/config/agent.yaml"), encoding="utf-8") as file:
            sample = file.read()
        with open(host.path("/srv/bare/etc/devrun/agent.yaml"), "w", encoding="utf-8") as file:
            file.write(sample)
        for program in ("devrun", "devrun-start", "devrun-controller", "devrun-agent", "devrun-fs", "devrun-keeper"):
            said = host.run(f"chroot /srv/bare /bin/{program} --version")
            assert re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", said.out.decode()), said
        assert host.run("chroot /srv/bare /bin/devrun-start --check-config").out == b"ok  /etc/devrun/agent.yaml\n"
        with open(host.path("/srv/bare/etc/devrun/agent.yaml"), "a", encoding="utf-8") as file:
            file.write("cashe: 1G\nmemory: lots\n")
        wrong = host.do("chroot /srv/bare /bin/devrun-start --check-config")
        assert wrong.status == 125, wrong
        assert "there is no 'cashe', did you mean 'cache'?" in wrong.err and "'lots' is no size" in wrong.err, wrong
        host.run("mkdir -p /etc/systemd/system; /srv/bare/bin/install-units; grep -q ExecStart=/srv/bare/bin/devrun-start "
                 "/etc/systemd/system/devrun-agent.service; "
                 "grep -q ExecStart=/srv/bare/bin/devrun-slurm /etc/systemd/system/devrun-slurm.service")


test_the_bundle_runs_in_a_root_without_anything.own = True


def test_units_are_what_systemd_understands(build):
    units = sorted(glob.glob(os.path.join(SOURCE, "deploy/systemd/*.service")))
    assert len(units) == 7, units
    if not os.path.exists("/usr/bin/systemd-analyze"):
        raise harness.Skip("no systemd-analyze here")
    with hosts.Lan("verify") as lan:
        host = lan.hosts[0]
        for unit in units:
            host.copy(unit, f"/etc/systemd/system/{os.path.basename(unit)}")
        for program in ("devrun-start", "devrun-slurm"):
            host.copy(os.path.join(build, "bin", program), f"/usr/bin/{program}")
        names = " ".join(os.path.basename(unit) for unit in units)
        done = host.do(f"systemd-analyze verify --man=no {names}")
        said = [line for line in done.err.splitlines() if "devrun" in line]
        assert done.status == 0 and not said, done


test_units_are_what_systemd_understands.own = True
