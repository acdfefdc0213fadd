"""Machines of their own, as far as one kernel allows: each has a root of its own (this machine's programs, and all that it
writes for itself), /run, /var, processes, cgroups, and a network card on a switch that all of them share. They have no files
in common; what one knows of another comes over the network.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile

import harness

INIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "host_init.py")
DOUBLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "double", "systemctl")
NETWORK = "10.77.0"


def run(*words, check=True):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    assert not check or done.returncode == 0, (words, done.stdout)
    return done


class Host:
    def __init__(self, lan, name, number):
        self.lan, self.name, self.address = lan, name, f"{NETWORK}.{number}"
        self.space = f"{lan.mark}-{name}"
        self.disk = os.path.join(lan.folder, name)
        self.init = None

    def begin(self):
        for folder in ("state", "srv"):
            os.makedirs(os.path.join(self.disk, folder))
        run("ip", "netns", "add", self.space)
        port = f"p{self.address.rsplit('.', 1)[1]}"
        run("ip", "-n", self.lan.switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        run("ip", "-n", self.lan.switch, "link", "set", port, "master", "br0", "up")
        run("ip", "-n", self.space, "addr", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-n", self.space, "link", "set", "eth0", "up")
        run("ip", "-n", self.space, "link", "set", "lo", "up")
        ready, done = os.pipe()
        log = open(os.path.join(self.disk, "init.log"), "wb")  # pylint: disable=consider-using-with
        words = ["nsenter", f"--net=/run/netns/{self.space}", "unshare", "--mount", "--pid", "--ipc", "--uts", "--fork",
                 "--kill-child", "--propagation", "private", "/usr/bin/python3", "-B", INIT, self.disk, self.name, str(done)]
        self.holder = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[done])
        log.close()
        os.close(done)
        with os.fdopen(ready) as file:
            said = file.readline()
        if said != "ready\n":
            with open(os.path.join(self.disk, "init.log"), encoding="utf-8", errors="replace") as file:
                raise AssertionError(f"{self.name} does not begin: {said} {file.read()}")
        children = f"/proc/{self.holder.pid}/task/{self.holder.pid}/children"
        with open(children, encoding="ascii") as file:
            self.init = int(file.read().split()[0])
        shutil.copy(DOUBLE, f"/proc/{self.init}/root/usr/bin/systemctl.double")
        self.run("mv /usr/bin/systemctl.double /usr/bin/systemctl; mkdir -p /run/systemd/system")

    def words(self, script):
        return ["nsenter", "-t", str(self.init), "-m", "-p", "-n", "-i", "-u", "-C", "-r", "-w", "env", "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                f"{harness.leftovers.MARK}={self.lan.mark_of_run}", "bash", "-ec", script]

    def do(self, script, stdin=b"", limit_s=60):
        """How a script ended here."""
        with subprocess.Popen(self.words(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as child:
            return harness.finish(child, stdin, limit_s)

    def run(self, script, **more):
        done = self.do(script, **more)
        assert done.status == 0, f"{self.name}: {script}: {done}"
        return done

    def start(self, script):
        return subprocess.Popen(self.words(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def json(self, script):
        return json.loads(self.run(script).out)

    def path(self, path):
        """A file of the host as this machine sees it."""
        return f"/proc/{self.init}/root{path}"

    def copy(self, source, target):
        os.makedirs(os.path.dirname(self.path(target)), exist_ok=True)
        shutil.copy(source, self.path(target))

    def logs(self):
        out = f"── {self.name}\n"
        done = self.do("for f in /var/log/devrun*.log /var/lib/devrun/run/*.log /var/lib/devrun/run/nfs/ganesha.log; do "
                       "[ -e $f ] && echo \"-- $f\" && tail -25 $f; done; true")
        return out + done.out.decode(errors="replace")

    def end(self):
        if self.init:
            try:
                os.kill(self.init, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if getattr(self, "holder", None):
            self.holder.wait(30)
        run("ip", "netns", "del", self.space, check=False)
        for folder in self.cgroups():
            for top, _, _ in os.walk(folder, topdown=False):
                try:
                    os.rmdir(top)
                except OSError:
                    pass

    def cgroups(self):
        """Those that host_init.py made."""
        try:
            with open(os.path.join(self.disk, "cgroups"), encoding="utf-8") as file:
                return file.read().split()
        except OSError:
            return []


class Lan:
    """Hosts on one switch. A context manager: all of it goes at its end."""

    def __init__(self, *names):
        self.mark = f"devrun{os.getpid()}"
        self.mark_of_run = os.environ.get(harness.leftovers.MARK, "none")
        self.switch = f"{self.mark}-lan"
        self.folder = tempfile.mkdtemp(prefix="devrun-hosts-")
        os.chmod(self.folder, 0o755)
        self.hosts = [Host(self, name, number) for number, name in enumerate(names, 11)]

    def __enter__(self):
        missing = [name for name in ("ip", "nsenter", "unshare", "setpriv") if shutil.which(name) is None]
        if missing:
            os.rmdir(self.folder)
            raise harness.Skip(f"not installed here: {' '.join(missing)}")
        try:
            run("ip", "netns", "add", self.switch)
            run("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
            run("ip", "-n", self.switch, "link", "set", "br0", "up")
            for host in self.hosts:
                host.begin()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for host in self.hosts:
                print(host.logs(), flush=True)
        self.end()

    def end(self):
        for host in self.hosts:
            host.end()
        run("ip", "netns", "del", self.switch, check=False)
        harness.wait_until(lambda: remove(self.folder), f"{self.folder} is free", 10)


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
    return not os.path.exists(folder)
