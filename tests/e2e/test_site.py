"""Folders of the site: with the user's own ids in jobs and dev containers alike, told once, and in no snapshot."""
import json
import os
import shutil
import subprocess
import tempfile

from harness import Cluster, brought_up, own_cluster, wait_until, with_flags, write
from test_users import User

ADA = "1234:100,2000"
PASSWD = {"etc/passwd": "root:x:0:0::/root:/bin/sh\neve:x:5000:5000::/:/bin/sh\n"}


def owner(path):
    about = os.lstat(path)
    return f"{about.st_uid}:{about.st_gid}"


def make_site(base, name):
    """A folder with what is ada's, her team's, and somebody else's."""
    folder = os.path.join(base, name)
    for path, uid, gid, mode in (("", 0, 0, 0o755), ("ada", 1234, 100, 0o700), ("team", 0, 2000, 0o2770)):
        os.makedirs(os.path.join(folder, path), exist_ok=True)
        os.chown(os.path.join(folder, path), uid, gid)
        os.chmod(os.path.join(folder, path), mode)
    for path, uid, gid, mode in (("secret", 5000, 5000, 0o600), ("readme", 0, 0, 0o644), ("ada/mine", 1234, 100, 0o600),
                                ("team/notes", 5000, 2000, 0o640)):
        write(os.path.join(folder, path), path + "\n")
        os.chown(os.path.join(folder, path), uid, gid)
        os.chmod(os.path.join(folder, path), mode)
    return folder


TRY = ("cat /mnt/s/secret || echo not; su eve -c 'cat /mnt/s/secret' || echo not; "
       "rm -f /mnt/s/readme; mknod /mnt/s/ada/disk b 8 0; chown 0:0 /mnt/s/secret; "
       "cat /mnt/s/ada/mine; echo $$ > /mnt/s/ada/{0}; echo $$ > /mnt/s/team/{0}")


@own_cluster(nodes=1)
def test_a_user_is_themselves_on_a_folder_of_the_site(cluster):
    folder = make_site(cluster.home, "site")
    with_flags(cluster, agent=["--site-mount", f"{folder}:/mnt/s", "--site-mount", f"{folder}:/mnt/ro:ro"])
    ada = User(cluster, "ada", "--ids", ADA)
    try:
        assert ADA in cluster.devrun("user", "ls").out.decode()
        ada.make_volume("adas", PASSWD)
        done = ada.devrun("--volume", "adas", "-C", "/work", "-q", "--", "sh", "-c", TRY.format("job"))
        assert done.status == 0 and done.out == b"not\nnot\nada/mine\n", done
        done = ada.devrun("shell", "adas", "--", "sh", "-c", TRY.format("shell"))
        assert done.status == 0 and done.out == b"not\nnot\nada/mine\n", done
        for name in ("job", "shell"):
            assert owner(os.path.join(folder, "ada", name)) == "1234:100"
            assert owner(os.path.join(folder, "team", name)) == "1234:2000"
        assert owner(os.path.join(folder, "secret")) == "5000:5000"
        assert not os.path.lexists(os.path.join(folder, "ada/disk")) and os.path.exists(os.path.join(folder, "readme"))
        done = ada.devrun("--volume", "adas", "-C", "/work", "sh", "-c", "cat /mnt/ro/readme; echo x > /mnt/ro/ada/x")
        assert done.out == b"readme\n" and done.status != 0, done
        # Mapped by the kernel; the user's groups count in sessions, too.
        for words in (("--volume", "adas", "-C", "/work"), ("shell", "adas", "--")):
            done = ada.devrun(*words, "sh", "-c", "cat /mnt/ro/team/notes; cat /mnt/ro/secret || echo not")
            assert done.out == b"team/notes\nnot\n", done
        its_folder_there_is_told_once(ada)
        it_is_in_no_snapshot(ada)
        a_job_goes_on_without_its_agent(cluster, ada, folder)
        who_is_unknown_is_told_why(cluster, ada)
    finally:
        ada.go()


def its_folder_there_is_told_once(ada):
    words = ("--volume", "adas", "-C", "/mnt/s/ada", "pwd")
    quiet = ada.devrun("-q", *words)
    first, second = ada.devrun(*words), ada.devrun(*words)
    assert [done.out for done in (quiet, first, second)] == [b"/mnt/s/ada\n"] * 3, (quiet, first, second)
    assert "/mnt/s/ada is on /mnt/s, which is the site's" in first.err and "edits there show through" in first.err, first
    assert "show through" not in quiet.err + second.err, (quiet, second)


def it_is_in_no_snapshot(ada):
    done = ada.devrun("volume", "paths", "adas", "--json")
    kinds = {one.get("name", one["path"]): one["kind"] for one in json.loads(done.out)["paths"]}
    assert kinds["/mnt/s"] == "site" and kinds["/mnt/ro"] == "site", done
    job = ada.submit("adas", "echo x > /mnt/s/ada/more; echo y > /srv")
    ada.await_state(job, "SUCCEEDED")
    done = ada.devrun("changes", job)
    assert "/srv" in done.out.decode() and "/mnt" not in done.out.decode(), done


def a_job_goes_on_without_its_agent(cluster, ada, folder):
    """What serves the folder is neither the agent nor its child."""
    job = ada.submit("adas", "i=0; until [ -e /mnt/s/ada/stop ]; do i=$((i+1)); echo $i > /mnt/s/ada/count; done; rm /mnt/s/ada/stop")
    ada.await_state(job, "RUNNING")
    wait_until(lambda: os.path.exists(os.path.join(folder, "ada/count")), "it writes")
    cluster.kill("node1.agent")
    write(os.path.join(folder, "ada/stop"), "")
    wait_until(lambda: not os.path.exists(os.path.join(folder, "ada/stop")), "it still sees the folder")
    cluster.mend()
    ada.await_state(job, "SUCCEEDED")


def who_is_unknown_is_told_why(cluster, ada):
    done = cluster.devrun("user", "ids", "ada", "none")
    assert done.status == 0 and "who the nodes' passwd has of that name" in done.err, done
    done = ada.devrun("--volume", "adas", "-C", "/work", "sh", "-c", "cat /mnt/s/NOT-MOUNTED; echo x > /mnt/s/x || echo not")
    assert done.out.decode().startswith("/mnt/s cannot be in the job: this node's passwd has no user 'ada'"), done
    assert done.out.endswith(b"not\n"), done
    done = ada.devrun("--volume", "adas", "-C", "/mnt/s/ada", "true")
    assert done.status == 125 and "this node's passwd has no user 'ada'" in done.err and "devrun user ids ada" in done.err, done
    done = cluster.devrun("user", "ids", "ada", "0:0")
    assert done.status == 2 and "nobody is root (0)" in done.err, done
    # The administrator is root, who is nobody there.
    done = cluster.sh("cat /mnt/s/NOT-MOUNTED")
    assert "cannot be in the job" in done.out.decode(), done


def test_a_file_system_that_takes_no_other_ids_is_served(build):
    """An overlay, for NFS: this kernel has no client of that, and both believe the ids of whoever asks."""
    base = tempfile.mkdtemp(prefix="devrun-site-")
    os.chmod(base, 0o755)
    place = os.path.join(base, "overlay")
    for name in ("overlay", "upper", "work"):
        os.mkdir(os.path.join(base, name))
    lower = make_site(base, "lower")
    # Before the cluster: its nodes see what the host has, wherever mounts do not spread.
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={base}/upper,"
                    f"workdir={base}/work", place], check=True)
    try:
        with brought_up(Cluster(build, nodes=1)) as cluster:
            a_served_folder_is_the_users(cluster, place)
    finally:
        wait_until(lambda: subprocess.run(["umount", place], check=False).returncode == 0, "nothing holds the folder")
        shutil.rmtree(base)


test_a_file_system_that_takes_no_other_ids_is_served.own = True


def a_served_folder_is_the_users(cluster, place):
    with_flags(cluster, agent=["--site-mount", f"{place}:/mnt/s", "--site-mount", f"{place}:/mnt/ro:ro",
                               "--site-mount", f"{place}:/mnt/m:mapped-ids"])
    ada = User(cluster, "ada", "--ids", ADA)
    try:
        ada.make_volume("adas", PASSWD)
        done = ada.devrun("--volume", "adas", "-C", "/work", "-q", "--", "sh", "-c", TRY.format("job"))
        assert done.status == 0 and done.out == b"not\nnot\nada/mine\n", done
        assert owner(os.path.join(place, "ada/job")) == "1234:100" and owner(os.path.join(place, "team/job")) == "1234:2000"
        done = ada.devrun("--volume", "adas", "-C", "/work", "sh", "-c", "cat /mnt/ro/ada/mine /mnt/m/NOT-MOUNTED")
        assert done.out.decode() == "ada/mine\n/mnt/m cannot be in the job: its file system cannot give users other ids\n", done
    finally:
        ada.go()
