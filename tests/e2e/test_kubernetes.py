"""deploy/kubernetes without a Kubernetes: the manifests hold together, the configurations in them load, and what the agent's pod
runs is run, word for word, on a host of its own."""
import glob
import os
import re
import time

import harness
import hosts
from test_install import give_packages, here, blocks, make_controller, nodes, packages, show, submit, SOURCE

FOLDER = os.path.join(SOURCE, "deploy/kubernetes")
KINDS = {"Namespace": "v1", "ConfigMap": "v1", "Deployment": "apps/v1", "DaemonSet": "apps/v1"}
# Of the API's types, as far as these manifests use them: what a typing error would not be.
POD_KEYS = {"nodeSelector", "tolerations", "hostNetwork", "terminationGracePeriodSeconds", "initContainers", "containers", "volumes"}
CONTAINER_KEYS = {"name", "image", "command", "env", "ports", "resources", "securityContext", "volumeMounts"}
VOLUME_KINDS = {"configMap": {"name"}, "hostPath": {"path", "type"}, "emptyDir": set(), "secret": {"secretName", "optional", "defaultMode"}}
WORKLOAD_KEYS = {"Deployment": {"replicas", "strategy", "selector", "template"}, "DaemonSet": {"selector", "updateStrategy", "template"}}


def documents():
    try:
        import yaml
    except ImportError:
        raise harness.Skip("python3-yaml is not installed here") from None
    out = []
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.yaml"))):
        with open(path, encoding="utf-8") as file:
            out += [(os.path.basename(path), one) for one in yaml.safe_load_all(file)]
    assert len(out) == 5, out
    return out


def one(kind, name):
    return next(of for _, of in documents() if of["kind"] == kind and of["metadata"]["name"] == name)


def test_manifests_hold_together(build):
    del build
    maps = {of["metadata"]["name"]: of["data"] for _, of in documents() if of["kind"] == "ConfigMap"}
    for file, of in documents():
        assert of["apiVersion"] == KINDS[of["kind"]], (file, of["kind"])
        assert set(of) <= {"apiVersion", "kind", "metadata", "spec", "data"}, (file, set(of))
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", of["metadata"]["name"]), file
        if of["kind"] != "Namespace":
            assert of["metadata"]["namespace"] == "devrun", file
        if "template" in of.get("spec", {}):
            check_workload(file, of, maps)


def check_workload(file, of, maps):
    spec = of["spec"]
    assert set(spec) == WORKLOAD_KEYS[of["kind"]], (file, set(spec))
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"], file
    pod = spec["template"]["spec"]
    assert set(pod) <= POD_KEYS, (file, set(pod) - POD_KEYS)
    volumes = {}
    for volume in pod["volumes"]:
        (kind,) = set(volume) - {"name"}
        assert set(volume[kind] or {}) <= VOLUME_KINDS[kind], (file, volume)
        volumes[volume["name"]] = volume
        if kind == "configMap":
            assert volume[kind]["name"] in maps, (file, volume)
    images = set()
    used = set()
    for container in pod.get("initContainers", []) + pod["containers"]:
        assert set(container) <= CONTAINER_KEYS, (file, set(container) - CONTAINER_KEYS)
        images.add(container["image"])
        for mount in container["volumeMounts"]:
            assert set(mount) <= {"name", "mountPath", "readOnly"} and mount["name"] in volumes, (file, mount)
            used.add(mount["name"])
    assert used == set(volumes), (file, "volumes that nobody mounts", set(volumes) - used)
    assert len(images) == 1, images


def test_configurations_in_manifests_load(build):
    with hosts.Lan("kube") as lan:
        host = lan.hosts[0]
        host.run("mkdir -p /etc/devrun")
        host.copy(os.path.join(build, "bin/devrun-start"), "/usr/bin/devrun-start")
        with open(host.path("/etc/devrun/controller.yaml"), "w", encoding="utf-8") as file:
            file.write(one("ConfigMap", "devrun-controller")["data"]["controller.yaml"])
        assert host.run("devrun-start controller --check-config").out == b"ok  /etc/devrun/controller.yaml\n"
        begin_as_pod(host, "some-node", "10.0.0.17", one("ConfigMap", "devrun-agent")["data"]["agent.yaml"], joined=True)
        agent = host.run("cat /etc/devrun/agent.yaml").out.decode()
        assert agent.startswith("name: some-node\naddress: 10.0.0.17\n") and "leave_on_stop" in agent, agent
        pod = one("DaemonSet", "devrun-agent")["spec"]["template"]["spec"]
        grace = int(re.search(r"leave_on_stop: (\d+)s", agent).group(1))
        assert grace + 40 <= pod["terminationGracePeriodSeconds"], "the kubelet does not kill it on the way"


test_configurations_in_manifests_load.own = True
test_manifests_hold_together.own = True


def begin_as_pod(host, name, address, config, joined=False, line=""):
    """What the init container does, by its own script."""
    init = one("DaemonSet", "devrun-agent")["spec"]["template"]["spec"]["initContainers"][0]
    assert [entry["name"] for entry in init["env"]] == ["NODE_NAME", "NODE_ADDRESS"], init
    assert init["command"][:2] == ["/bin/sh", "-ec"], init
    host.run("mkdir -p /config /join /etc/devrun /var/lib/devrun/pki")
    if joined:
        host.run(f"touch /var/lib/devrun/pki/{name}.pem")
    for path, text in (("/config/agent.yaml", config), (f"/join/{name}", line), ("/root/init", init["command"][2])):
        with open(host.path(path), "w", encoding="utf-8") as file:
            file.write(text)
    return host.do(f'NODE_NAME={name} NODE_ADDRESS={address} /bin/sh -ec "$(cat /root/init)"')


def test_what_the_agents_pod_runs(build):
    paths = packages(build)
    pod = one("DaemonSet", "devrun-agent")["spec"]["template"]["spec"]
    with hosts.Lan("ctl", "k1") as lan:
        controller, host = lan.hosts
        make_controller(controller, paths)
        give_packages(host, paths)
        host.run("cd /root\n" + blocks("node")[0], limit_s=120)
        config = here(one("ConfigMap", "devrun-agent")["data"]["agent.yaml"]).replace("cpus: 16", "cpus: 2")
        config = config.replace("memory: 64G", "memory: 4G").replace("/host", "/")
        said = begin_as_pod(host, "k1", host.address, config)
        assert said.status == 1 and "no token for k1 yet" in said.err, said
        line = controller.run("devrun nodes add k1").out.decode()
        said = begin_as_pod(host, "k1", host.address, config, line=line)
        assert said.status == 0, said

        harness.make_root(controller.path("/srv/root"))
        controller.run("devrun volume create dev --from-dir /srv/root")
        command = " ".join(pod["containers"][0]["command"])
        host.run(f"setsid {command} < /dev/null > /var/log/devrun-pod.log 2>&1 & echo $! > /run/pod.pid")
        harness.wait_until(lambda: nodes(controller).get("k1"), "it is up", 60)
        job = submit(controller, "trap \"echo told; exit 0\" TERM; echo begun; while :; do sleep 0.1; done")
        harness.wait_until(lambda: b"begun" in controller.do(f"devrun logs {job}").out, "the job runs", 60)
        began = time.monotonic()
        host.run("kill -TERM $(cat /run/pod.pid)")
        harness.wait_until(lambda: host.do("kill -0 $(cat /run/pod.pid) 2>/dev/null").status == 1, "the pod's command ends", 60)
        assert time.monotonic() - began < pod["terminationGracePeriodSeconds"]
        harness.wait_until(lambda: show(controller, job)["state"] == "NODE_LOST", "the job is over", 30)
        assert controller.run(f"devrun logs {job}").out == b"begun\ntold\n"
        done = host.do("pgrep -a 'devrun-' || true")
        assert done.out == b"", done
        assert "/var/lib/devrun/nodes" not in host.run("cat /proc/mounts").out.decode()

        # The pod is started again: its certificate is there.
        said = begin_as_pod(host, "k1", host.address, config)
        assert said.status == 0, said
        host.run(f"setsid {command} < /dev/null > /var/log/devrun-pod.log 2>&1 & echo $! > /run/pod.pid")
        harness.wait_until(lambda: nodes(controller).get("k1"), "it is up again", 60)
        assert controller.run("devrun --volume dev -- echo well").out == b"well\n"
        host.run("kill -TERM $(cat /run/pod.pid)")
        harness.wait_until(lambda: host.do("kill -0 $(cat /run/pod.pid) 2>/dev/null").status == 1, "the pod's command ends", 60)

        # Also with its token, which is used up, still in the Secret; and with a new one it joins anew.
        before = host.run("cat /var/lib/devrun/pki/k1.pem").out
        said = begin_as_pod(host, "k1", host.address, config, line=line)
        assert said.status == 0 and host.run("cat /var/lib/devrun/pki/k1.pem").out == before, said
        # A certificate that is over.
        host.run("cd /var/lib/devrun/pki && openssl req -new -newkey ed25519 -nodes -subj /CN=k1 -keyout old.pem -out old.csr 2>/dev/null && "
                 "openssl x509 -req -in old.csr -signkey old.pem -days -1 -out old.crt 2>/dev/null && cat old.pem old.crt > k1.pem && rm old.*")
        said = host.do("devrun-start agent")
        assert said.status == 125 and "is over since" in said.err and "devrun nodes add k1" in said.err, said
        controller.run("devrun nodes revoke k1")  # to the controller its certificate is not over
        line = controller.run("devrun nodes add k1").out.decode()
        said = begin_as_pod(host, "k1", host.address, config, line=line)
        assert said.status == 0, said
        host.run(f"setsid {command} < /dev/null > /var/log/devrun-pod.log 2>&1 & echo $! > /run/pod.pid")
        harness.wait_until(lambda: nodes(controller).get("k1"), "it is up with its new certificate", 60)
        host.run("kill -TERM $(cat /run/pod.pid)")
        harness.wait_until(lambda: host.do("kill -0 $(cat /run/pod.pid) 2>/dev/null").status == 1, "the pod's command ends", 60)


test_what_the_agents_pod_runs.own = True
test_what_the_agents_pod_runs.limit_s = 300
