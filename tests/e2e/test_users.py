"""Users: how they come and go, what they share, and a second one who tries to get at what is the first one's."""
import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys

from harness import Done, finish, make_root, own_cluster, wait_until, with_flags

SECRET = "the-secret-of-ada"


class User:
    """Somebody who has logged in, and calls devrun as themselves."""

    def __init__(self, cluster, name, *options):
        self.cluster, self.name = cluster, name
        self.home = os.path.join(cluster.home, "people", name)
        os.makedirs(self.home, mode=0o700, exist_ok=True)
        self.env = cluster.environment(HOME=self.home)
        for variable in ("DEVRUN_CONFIG", "DEVRUN_VOLUME"):
            self.env.pop(variable, None)
        done = cluster.devrun("user", "add", *options, name)
        assert done.status == 0, done
        self.line = done.out.decode().split()
        assert self.line[:2] == ["devrun", "login"], done
        done = self.devrun(*self.line[1:])
        assert done.status == 0 and f"you are {name}" in done.err, done

    def devrun(self, *words, **more):
        return self.cluster.devrun(*words, env=self.env, **more)

    def start(self, *words):
        return self.cluster.start(*words, env=self.env)

    def make_volume(self, name, files=()):
        root = os.path.join(self.cluster.home, "people", name + ".root")
        make_root(root)
        for path, text in dict(files).items():
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        tar = subprocess.run(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE, check=True).stdout
        shutil.rmtree(root)
        done = self.devrun("volume", "create", name, "--from-tar", "-", stdin=tar)
        assert done.status == 0, done

    def submit(self, volume, script, *options):
        done = self.devrun("-d", "--volume", volume, "-C", "/work", *options, "--", "sh", "-c", script)
        assert done.status == 0, done
        return done.out.decode().strip()

    def show(self, job):
        done = self.devrun("show", job, "--json")
        assert done.status == 0, done
        return json.loads(done.out)

    def await_state(self, job, *states):
        wait_until(lambda: self.show(job)["state"] in states, f"job {job} {states}")

    def go(self):
        """Their jobs end, their volumes go, and so do they."""
        with contextlib.suppress(AssertionError, ValueError):
            jobs = json.loads(self.devrun("ps", "-a", "--json").out)["jobs"]
            live = [str(job["job"]) for job in jobs
                    if job["user"] == self.name and job["state"] not in ("SUCCEEDED", "FAILED", "CANCELLED")]
            if live:
                self.devrun("cancel", *live)
                for job in live:
                    self.await_state(job, "SUCCEEDED", "FAILED", "CANCELLED")
        for volume in json.loads(self.cluster.devrun("volume", "ls", "--json").out)["volumes"]:
            if volume["owner"] == self.name:
                self.cluster.devrun("shell", "--stop", "--yes", volume["name"])
                self.cluster.devrun("volume", "rm", "--yes", volume["name"])
        self.cluster.devrun("user", "rm", self.name)


@contextlib.contextmanager
def users(cluster, *names):
    people = []
    try:
        for name in names:
            people.append(User(cluster, name))
        yield people
    finally:
        for user in people:
            user.go()


def audit(cluster):
    lines = []
    for name in ("audit.jsonl", "audit-refused.jsonl"):
        with open(os.path.join(cluster.folder, "controller", name), encoding="utf-8") as file:
            lines += [json.loads(line) for line in file]
    return lines


def test_a_token_makes_a_user_who_works(cluster):
    with users(cluster, "ada") as (ada,):
        identity = os.path.join(ada.home, ".config/devrun/identity.pem")
        assert os.stat(identity).st_mode & 0o777 == 0o600
        again = os.path.join(cluster.home, "people", "thief")
        done = ada.devrun("login", "--folder", again, *ada.line[2:])
        assert done.status == 125 and "has been used" in done.err, done
        ada.make_volume("adas", {"secret": SECRET})
        done = ada.devrun("--volume", "adas", "-C", "/work", "cat", "/secret")
        assert done.status == 0 and done.out.decode() == SECRET, done
        listed = json.loads(ada.devrun("volume", "ls", "--json").out)["volumes"]
        assert [volume["name"] for volume in listed] == ["adas"], listed
        assert b"ada" in cluster.devrun("user", "ls").out
        done = ada.devrun("user", "ls")
        assert done.status == 125 and "ListUsers is not for user 'ada'" in done.err, done


def test_a_bad_token_is_told_from_a_wrong_server(cluster):
    with users(cluster, "ada") as (ada,):
        endpoint, token = ada.line[2:]
        done = ada.devrun("login", endpoint, token[:-5])
        assert done.status == 2 and "devrun1." in done.err or "token" in done.err, done
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            port = server.getsockname()[1]
            server.close()
        done = ada.devrun("login", "--folder", os.path.join(ada.home, "x"), f"127.0.0.1:{port}", token)
        assert done.status == 125 and not os.path.exists(os.path.join(ada.home, "x/identity.pem")), done


# What bob says to get at ada's volume `adas` and job JOB. None of it may succeed, or print the secret.
ATTEMPTS = """
--volume adas -C /work cat /secret
--volume adas@1 -C /work cat /secret
shell adas -- cat /secret
volume fork adas mine
volume create mine --from-volume adas@1
volume du adas
volume paths adas
volume paths adas --home /secret
volume quota adas 1G
volume import /etc/skel adas
volume rm --yes adas
volume restore adas
volume share adas
volume share adas bob --write
snapshot ls adas
snapshot create adas
snapshot restore adas@1
snapshot rm adas@1
snapshot diff adas@1
show JOB
logs JOB
logs -f JOB
attach JOB
exec JOB cat /secret
wait JOB
cancel JOB
cancel --signal KILL JOB
explain JOB
cp JOB:/secret /tmp/stolen
port-forward JOB 18080:80
changes JOB
apply JOB
undo JOB
diff JOB
diff JOB adas
rerun JOB
rerun JOB -- cat /secret
--volume bobs --after JOB -C /work true
--volume bobs --after-ok JOB -C /work true
nodes drain node1 because
nodes undrain node1
nodes lost node1
user ls
user ids bob 1:1
user add eve
user add --role admin eve
user token ada
user token bob --revoke
user join bob wheel
user rm ada
"""
LISTS = ["volume ls", "volume ls --removed", "volume du"]


def attempts(run, job, skip=()):
    for line in ATTEMPTS.strip().split("\n"):
        if line.startswith(skip):
            continue
        done = run(*line.replace("JOB", job).split())
        assert done.status not in (0, 2, None), (line, done)
        assert SECRET not in done.out.decode(errors="replace") + done.err, (line, done)
        assert done.err.startswith("devrun: "), (line, done)
    for line in LISTS:
        done = run(*line.split())
        said = done.out.decode(errors="replace") + done.err
        assert "adas" not in said and SECRET not in said, (line, done)
    done = run("ps", "-a", "--json")
    owners = {one["user"] for one in json.loads(done.out)["jobs"]}
    assert owners <= {"bob"}, owners


def nfs_status(address, privileged, source="127.0.0.1"):
    """What the store answers to `PUTROOTFH GETATTR` that claims to be root's: (accepted, NFS status)."""
    with socket.socket() as connection:
        connection.settimeout(5)
        if privileged:
            for port in range(1023, 600, -1):
                with contextlib.suppress(OSError):
                    connection.bind((source, port))
                    break
        connection.connect(address)
        root = struct.pack(">IIII", 0, 0, 0, 0) + struct.pack(">I", 0)  # stamp, no name, uid, gid, no groups
        call = struct.pack(">IIIIII", 7, 0, 2, 100003, 4, 1) + struct.pack(">II", 1, len(root)) + root
        call += struct.pack(">II", 0, 0) + struct.pack(">III", 0, 0, 2)  # no verifier; no tag, minor 0, two of them
        call += struct.pack(">I", 24) + struct.pack(">III", 9, 1, 2)
        connection.sendall(struct.pack(">I", 0x80000000 | len(call)) + call)
        reply = b""
        while len(reply) < 4 or len(reply) < 4 + (struct.unpack(">I", reply[:4])[0] & 0x7fffffff):
            piece = connection.recv(65536)
            if not piece:
                return False, None
            reply += piece
    words = struct.unpack(f">{(len(reply) - 4) // 4}I", reply[4:4 + (len(reply) - 4) // 4 * 4])
    if words[2] != 0 or words[5] != 0:  # denied, or not executed
        return False, None
    return True, words[6]


def test_a_second_user_gets_at_nothing(cluster):
    with users(cluster, "ada", "bob") as (ada, bob):
        ada.make_volume("adas", {"secret": SECRET})
        bob.make_volume("bobs")
        job = ada.submit("adas", f"echo {SECRET}; echo x > /work/mine; exec sleep 1000", "-e", f"TOKEN={SECRET}")
        ada.await_state(job, "RUNNING")
        wait_until(lambda: SECRET in ada.devrun("logs", job).out.decode(), "its output")
        before = ada.show(job)

        # By RPC, from his own machine.
        attempts(bob.devrun, job)

        # By the socket in his dev container, as root there, and from a job of his.
        def inside(*words):
            return bob.devrun("shell", "bobs", "--", "/run/devrun/bin/devrun", *words)

        def from_a_job(*words):
            return bob.devrun("--volume", "bobs", "-C", "/work", "--", "/run/devrun/bin/devrun", *words)
        assert inside("ps").status == 0 and from_a_job("ps").status == 0
        attempts(inside, job, skip=("volume import", "volume create"))
        attempts(from_a_job, job, skip=("volume import", "volume create"))
        for where in (inside, from_a_job):
            done = where("volume", "create", "mine", "--from-volume", "adas@1")
            assert done.status != 0 and "container" in done.err, done
        done = inside("login", "127.0.0.1:1", "x")
        assert done.status != 0, done

        # As a user of the host, by the network: the store and the controller.
        with open(os.path.join(cluster.folder, "cluster.json"), encoding="ascii") as file:
            record = json.load(file)
        store = ("127.0.0.1", record["nfs_port"])
        assert nfs_status(store, privileged=True) == (True, 0), "root of the host reads the store"
        script = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); " \
                 f"from test_users import nfs_status; print(nfs_status({store!r}, False))"
        done = subprocess.run([sys.executable, "-B", "-c", script], stdout=subprocess.PIPE, text=True, user=65534,
                              group=65534, extra_groups=[], check=True)
        accepted, status = eval(done.stdout)  # noqa: S307, our own line
        assert not accepted or status != 0, done.stdout
        done = subprocess.run(["ls", cluster.folder + "/store/volumes"], user=65534, group=65534, extra_groups=[],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert b"adas" not in done.stdout, done
        for name in ("pki/ca.key", "pki/admin.key", "controller/accounts.json", "controller/audit.jsonl"):
            done = subprocess.run(["cat", os.path.join(cluster.folder, name)], user=65534, group=65534, extra_groups=[],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            assert done.returncode != 0 and done.stdout == b"", name

        # Nothing has changed, and each attempt is on record.
        after = ada.show(job)
        assert after["state"] == "RUNNING" and len(after["attempts"]) == len(before["attempts"]) == 1, after
        assert ada.devrun("--volume", "adas", "-C", "/work", "cat", "/secret").out.decode() == SECRET
        tried = {(line["call"], line["result"]) for line in audit(cluster) if line["who"] == "bob"}
        for call in ("CancelJob", "Exec", "RemoveVolume", "ShareVolume", "RestoreSnapshot", "AddUser", "DrainNode"):
            assert (call, "failed") in tried, (call, tried)
            assert (call, "ok") not in tried or call == "Exec", "in his own dev container"
        for line in audit(cluster):
            assert SECRET not in json.dumps(line), line


test_a_second_user_gets_at_nothing.limit_s = 480  # some 150 calls of devrun


def test_sharing_is_for_what_it_says(cluster):
    with users(cluster, "ada", "bob") as (ada, bob):
        ada.make_volume("adas", {"work/data": SECRET})
        done = ada.devrun("volume", "share", "adas", "bob", "--read")
        assert done.status == 0 and b"bob" in done.out, done
        listed = json.loads(bob.devrun("volume", "ls", "--json").out)["volumes"]
        assert [(volume["name"], volume["owner"]) for volume in listed] == [("adas", "ada")], listed

        def access(user):
            listed = json.loads(user.devrun("volume", "ls", "--json").out)["volumes"]
            (volume,) = [one for one in listed if one["name"] == "adas"]
            (row,) = [line for line in user.devrun("volume", "ls").out.decode().split("\n") if line.startswith("adas ")]
            assert row.split()[2] == volume["access"], (row, volume)
            return volume["access"]
        assert (access(bob), access(ada)) == ("read", "all")

        def write(name):
            return bob.devrun("--volume", "adas", "-C", "/work", "--", "sh", "-c", f"cat data; echo bob > {name}")
        done = write("one")
        assert done.status == 0 and done.out.decode() == SECRET, done
        assert not os.path.exists(cluster.live("work/one", "adas")), "shared for reading: it stays in the change set"
        job = str(max(job["job"] for job in json.loads(bob.devrun("ps", "-a", "--json").out)["jobs"]))
        assert b"one" in bob.devrun("changes", job).out
        done = bob.devrun("apply", job)
        assert done.status == 125 and "for reading alone" in done.err, done
        assert ada.devrun("logs", job).status == 125, "his job is not the volume's owner's"
        done = bob.devrun("shell", "adas", "--", "id")
        assert done.status == 125 and "dev container of volume 'adas' is for 'ada'" in done.err, done
        done = bob.devrun("--volume", "adas", "--live", "/work", "-C", "/work", "true")
        assert done.status == 125 and "live" in done.err, done
        for words in (["snapshot", "create", "adas"], ["volume", "rm", "--yes", "adas"], ["volume", "share", "adas"]):
            assert bob.devrun(*words).status == 125, words
        assert bob.devrun("volume", "fork", "adas", "bobs-own").status == 0

        assert cluster.devrun("user", "join", "bob", "vision").status == 0
        assert ada.devrun("volume", "share", "adas", "@vision", "--write").status == 0
        assert access(bob) == "write"
        done = write("two")
        assert done.status == 0, done
        with open(cluster.live("work/two", "adas"), encoding="utf-8") as file:
            assert file.read() == "bob\n"
        assert bob.devrun("apply", job).status == 0

        # A share that is taken back counts for what runs, too: what is live ends, and so does what would be.
        live = bob.submit("adas", "exec sleep 1000", "--live", "/work", "--cpus", "0.1")
        would = bob.submit("adas", "true", "--live", "/work", "--cpus", "4000")
        owns = ada.submit("adas", "exec sleep 1000", "--live", "/work", "--cpus", "0.1")
        for user, one in ((bob, live), (ada, owns)):
            user.await_state(one, "RUNNING")
        job = bob.submit("adas", "read x < /run/devrun/none 2>/dev/null; sleep 3; echo late > three")
        bob.await_state(job, "RUNNING")
        assert ada.devrun("volume", "share", "adas", "@vision", "--none").status == 0
        assert ada.devrun("volume", "share", "adas", "bob", "--none").status == 0
        for one in (live, would):
            bob.await_state(one, "CANCELLED")
            assert "is shared with 'bob' for writing no more" in json.dumps(bob.show(one)), bob.show(one)
        assert ada.show(owns)["state"] == "RUNNING"
        assert ada.devrun("cancel", owns).status == 0
        bob.await_state(job, "SUCCEEDED")
        assert not os.path.exists(cluster.live("work/three", "adas"))
        assert write("four").status == 125
        assert bob.devrun("rerun", job).status == 125
        assert b"adas" not in bob.devrun("volume", "ls").out


def test_who_is_removed_is_out_at_once(cluster):
    with users(cluster, "ada") as (ada,):
        ada.make_volume("adas")
        job = ada.submit("adas", "exec sleep 1000")
        ada.await_state(job, "RUNNING")
        with ada.start("logs", "-f", job) as following:
            done = cluster.devrun("user", "rm", "ada")
            assert done.status == 0 and job in done.err and "adas" in done.err, done
            ended = finish(following)
            assert ended.status != 0, ended
        done = ada.devrun("ps")
        assert done.status == 125 and "there is no user 'ada'" in done.err, done
        assert cluster.show(job)["state"] == "RUNNING", "her job goes on"
        done = cluster.devrun("exec", job, "/run/devrun/bin/devrun", "ps")
        assert done.status == 125 and "no user of this cluster" in done.err, done
        cluster.devrun("cancel", job)
        cluster.await_end(job)
        # Whoever comes back needs a new certificate.
        line = cluster.devrun("user", "add", "ada").out.decode().split()
        assert "revoked" in ada.devrun("ps").err
        assert ada.devrun(*line[1:]).status == 0
        assert ada.devrun("ps").status == 0


def test_who_only_looks_sees_all_and_reads_nothing(cluster):
    with users(cluster, "ada") as (ada,):
        ada.make_volume("adas", {"secret": SECRET})
        job = ada.submit("adas", f"echo {SECRET}; exec sleep 1000")
        ada.await_state(job, "RUNNING")
        eve = User(cluster, "eve", "--role", "read-only")
        try:
            jobs = json.loads(eve.devrun("ps", "-a", "--json").out)["jobs"]
            assert int(job) in [one["job"] for one in jobs]
            assert eve.devrun("show", job).status == 0 and b"adas" in eve.devrun("volume", "ls").out
            listed = json.loads(eve.devrun("volume", "ls", "--json").out)["volumes"]
            assert {volume["access"] for volume in listed} == {"see"}, listed
            assert eve.devrun("nodes").status == 0 and eve.devrun("snapshot", "ls", "adas").status == 0
            for words in (["logs", job], ["cancel", job], ["exec", job, "id"], ["--volume", "adas", "true"],
                          ["volume", "fork", "adas", "x"], ["changes", job], ["user", "add", "x"],
                          ["nodes", "drain", "node1", "x"], ["cp", f"{job}:/secret", "/tmp/stolen"]):
                done = eve.devrun(*words)
                assert done.status == 125 and "is not for read-only 'eve'" in done.err, (words, done)
        finally:
            eve.go()


@own_cluster(nodes=1)
def test_certificates_renew_themselves_and_end(cluster):
    with_flags(cluster, controller=["--certificates-for", "8s"])
    ada = User(cluster, "ada")
    identity = os.path.join(ada.home, ".config/devrun/identity.pem")

    def content():
        with open(identity, encoding="ascii") as file:
            return file.read()
    first = content()
    assert ada.devrun("ps").status == 0
    second = content()
    assert second != first and second.count("PRIVATE KEY") == 2, "a new key, and a certificate for it"

    def is_over():
        done = ada.devrun("ps")
        return done.status == 125 and "time is over" in done.err
    # A machine that was away for longer than its certificate: nothing renews it.
    os.chmod(os.path.dirname(identity), 0o500)
    cluster.kill("controller")
    wait_until(is_over, "the certificate's end", 20)
    cluster.mend()
    os.chmod(os.path.dirname(identity), 0o700)
    assert is_over()
    line = cluster.devrun("user", "token", "ada").out.decode().split()
    assert ada.devrun(*line[1:]).status == 0
    assert ada.devrun("ps").status == 0
