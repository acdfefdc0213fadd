"""`devrun snapshot` and what `devrun volume` does beyond making and removing."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from harness import Skip, own_cluster, wait_until, write


def make(cluster, name):
    done = cluster.devrun("volume", "create", name, "--from-dir", cluster.root)
    assert done.status == 0, done


def remove(cluster, *names):
    for name in names:
        cluster.devrun("volume", "rm", "--yes", name)


def volumes(cluster):
    return {one["name"] for one in json.loads(cluster.devrun("volume", "ls", "--json").out)["volumes"]}


def succeed(cluster, *words, **more):
    done = cluster.devrun(*words, **more)
    assert done.status == 0, done
    return done


def test_a_kept_snapshot_is_listed_compared_restored_and_run_in(cluster):
    make(cluster, "life")
    env = cluster.environment(DEVRUN_VOLUME="life")
    one = succeed(cluster, "snapshot", "create", "-m", "before the edit", "life").out.decode().strip()
    assert one == "life@1", one
    write(cluster.live("work/version", "life"), "two\nlines\n")
    os.remove(cluster.live("work/twin1", "life"))
    write(cluster.live("work/new", "life"), "new\n")
    os.chmod(cluster.live("work/not-executable", "life"), 0o755)
    lines = succeed(cluster, "snapshot", "diff", one).out.decode().splitlines()
    assert lines == ["A /work/new", "m /work/not-executable  0644 → 0755", "D /work/twin1", "M /work/version"], lines
    stat = succeed(cluster, "snapshot", "diff", "--stat", one).out.decode()
    assert stat.startswith("1 created, 1 deleted, 1 changed, 1 in mode or owner"), stat
    records = [json.loads(line) for line in succeed(cluster, "snapshot", "diff", "--json", one).out.splitlines()]
    assert {"path": "/work/new", "kind": "created"}.items() <= next(
        r for r in records if r["path"] == "/work/new").items(), records
    patch = succeed(cluster, "snapshot", "diff", one, "-p", "/work/version").out.decode()
    assert patch == "--- life@1/work/version\n+++ life/work/version\n@@ -1 +1,2 @@\n-one\n+two\n+lines\n", patch
    assert succeed(cluster, "--volume", "life", "cat", "/work/version").out == b"two\nlines\n"
    assert succeed(cluster, "--volume", one, "cat", "/work/version").out == b"one\n"
    job = json.loads(succeed(cluster, "ps", "-a", "--json").out)["jobs"][-1]["job"]
    listed = json.loads(succeed(cluster, "snapshot", "ls", "--json", env=env).out)["snapshots"]
    assert listed[0]["message"] == "before the edit" and listed[0]["pinned"] and job in listed[0]["jobs"], listed
    restored = succeed(cluster, "snapshot", "restore", one, "/work/version")
    assert "to undo: devrun snapshot restore life@" in restored.err, restored
    with open(cluster.live("work/version", "life"), encoding="utf-8") as file:
        assert file.read() == "one\n"
    assert os.path.exists(cluster.live("work/new", "life")), "only the path was restored"
    succeed(cluster, "snapshot", "restore", one)
    assert succeed(cluster, "snapshot", "diff", one).out == b""
    refused = cluster.devrun("snapshot", "rm", "life@99")
    assert refused.status == 125 and "there is no snapshot 99" in refused.err, refused
    succeed(cluster, "snapshot", "rm", one)
    gone = cluster.devrun("--volume", one, "true")
    assert gone.status == 125 and "no snapshot 1" in gone.err, gone
    remove(cluster, "life")


def test_inside_a_dev_container_the_volume_needs_no_name(cluster):
    make(cluster, "inner")
    done = succeed(cluster, "shell", "inner", "--", "sh", "-c",
                   "devrun snapshot create -m inside && echo x > /work/version && devrun snapshot diff @1 && "
                   "devrun snapshot restore @1 /work/version 2>/dev/null && cat /work/version")
    assert done.out == b"inner@1\nM /work/version\none\n", done
    denied = cluster.devrun("shell", "inner", "--", "sh", "-c",
                            "exec busybox start-stop-daemon -S -c ada -x /run/devrun/bin/devrun -- snapshot restore @1")
    assert denied.status == 125 and "only for root" in denied.err, denied
    remove(cluster, "inner")


def test_forks_and_copies(cluster):
    make(cluster, "origin")
    write(cluster.live("work/version", "origin"), "of origin\n")
    succeed(cluster, "volume", "fork", "origin", "fork")
    write(cluster.live("work/version", "fork"), "of fork\n")
    assert succeed(cluster, "--volume", "origin", "cat", "/work/version").out == b"of origin\n"
    assert succeed(cluster, "--volume", "fork", "cat", "/work/version").out == b"of fork\n"
    succeed(cluster, "volume", "create", "copy", "--from-volume", "fork@1")
    assert succeed(cluster, "--volume", "copy", "cat", "/work/version").out == b"of origin\n"
    assert succeed(cluster, "snapshot", "diff", "origin", "copy").out == b""
    usage = json.loads(succeed(cluster, "volume", "du", "--json").out)
    fork = next(one for one in usage["volumes"] if one["name"] == "fork")
    assert fork["shared_bytes"] > 3 << 20 and fork["own_bytes"] < 1 << 20, usage
    text = succeed(cluster, "volume", "du", "fork").out.decode()
    assert text.startswith("VOLUME") and "free in the store" in text, text
    remove(cluster, "origin", "fork", "copy")


def test_archives_become_volumes_and_folders_are_imported(cluster):
    folder = tempfile.mkdtemp(dir=cluster.home)
    tar = os.path.join(folder, "root.tar.gz")
    subprocess.run(["tar", "-C", cluster.root, "-czf", tar, "."], check=True)
    succeed(cluster, "volume", "create", "unpacked", "--from-tar", tar)
    assert succeed(cluster, "--volume", "unpacked", "cat", "/work/version").out == b"one\n"
    tool = os.path.join(folder, "tool/bin")
    os.makedirs(tool)
    write(os.path.join(tool, "hello"), "#!/bin/sh\necho hello from \"$0\"\n")
    os.chmod(os.path.join(tool, "hello"), 0o755)
    succeed(cluster, "volume", "import", os.path.dirname(tool), "unpacked")
    with open(cluster.live(tool + "/hello", "unpacked"), encoding="utf-8") as file:
        assert "hello from" in file.read(), "the same path in the volume"
    succeed(cluster, "volume", "import", os.path.dirname(tool) + ":/opt/tool", "unpacked")
    assert succeed(cluster, "--volume", "unpacked", "/opt/tool/bin/hello").out == b"hello from /opt/tool/bin/hello\n"
    wrong = cluster.devrun("volume", "create", "wrong", "--from-tar", "/bin/sh")
    assert wrong.status == 125 and "cannot be unpacked" in wrong.err and "wrong" not in volumes(cluster), wrong
    remove(cluster, "unpacked")


def test_an_image_becomes_a_volume(cluster):
    for program in ("skopeo", "umoci"):
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
    folder = tempfile.mkdtemp(dir=cluster.home)
    layout, archive = os.path.join(folder, "layout"), os.path.join(folder, "image.tar")
    subprocess.run(["umoci", "init", "--layout", layout], check=True)
    subprocess.run(["umoci", "new", "--image", layout + ":small"], check=True)
    subprocess.run(["umoci", "insert", "--image", layout + ":small", cluster.root, "/"], check=True)
    subprocess.run(["skopeo", "copy", "--insecure-policy", f"oci:{layout}:small", f"oci-archive:{archive}"],
                   check=True, stdout=subprocess.DEVNULL)
    succeed(cluster, "volume", "create", "image", "--from-image", "oci-archive:" + archive)
    assert succeed(cluster, "--volume", "image", "cat", "/work/version").out == b"one\n"
    missing = cluster.devrun("volume", "create", "none", "--from-image", "oci-archive:/no/such/file")
    assert missing.status == 125 and "none" not in volumes(cluster), missing
    remove(cluster, "image")


def test_interrupting_a_creation_leaves_nothing(cluster):
    with cluster.start("volume", "create", "halted", "--from-tar", "-") as child:
        child.stdin.write(b"\0" * 512)
        child.stdin.flush()
        folder = os.path.dirname(os.path.dirname(cluster.live("", "x").rstrip("/")))
        wait_until(lambda: os.path.isdir(os.path.join(folder, ".new.halted")), "the creation has begun")
        child.send_signal(signal.SIGINT)
        child.wait(20)
    wait_until(lambda: not os.path.exists(os.path.join(folder, ".new.halted")), "nothing of it is left")
    wait_until(lambda: cluster.devrun("volume", "create", "halted", "--empty").status == 0, "the name is free")
    remove(cluster, "halted")


def test_a_removed_volume_comes_back(cluster):
    make(cluster, "phoenix")
    remove(cluster, "phoenix")
    assert "phoenix" not in volumes(cluster)
    assert b"phoenix" in succeed(cluster, "volume", "ls", "--removed").out
    succeed(cluster, "volume", "restore", "phoenix")
    assert succeed(cluster, "--volume", "phoenix", "cat", "/work/version").out == b"one\n"
    remove(cluster, "phoenix")


def test_a_quota_stops_snapshots(cluster):
    make(cluster, "small")
    succeed(cluster, "volume", "quota", "small", "1M")
    refused = cluster.devrun("--volume", "small", "true")
    assert refused.status == 125 and "its quota is 1 MB" in refused.err, refused
    succeed(cluster, "volume", "quota", "small", "none")
    succeed(cluster, "--volume", "small", "true")
    remove(cluster, "small")


def test_wrong_words_are_usage_errors(cluster):
    for words in (["snapshot"], ["snapshot", "restore", "v"], ["snapshot", "diff", "v"], ["snapshot", "rm"],
                  ["snapshot", "ls", "-m", "x"], ["snapshot", "diff", "v@1", "-p", "relative"], ["volume", "fork", "a"],
                  ["volume", "import", "/no/such/folder", "v"], ["volume", "quota", "v", "much"],
                  ["volume", "create", "v", "--from-tar", "x", "--empty"], ["--volume", "v@", "true"]):
        done = cluster.devrun(*words)
        assert done.status == 2 and done.err.startswith("devrun: "), (words, done)


@own_cluster(nodes=1)
def test_the_store_is_whole_after_all_this(cluster):
    make(cluster, "v")
    succeed(cluster, "--volume", "v", "true")
    cluster.kill("controller")
    store = f"/proc/{cluster.pid('store.keeper')}/root{cluster.folder}/store"
    check = [os.path.join(cluster.bin, "devrun-controller"), "fsck", "--data", "--store", store]
    done = subprocess.run(check, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0 and "no damage" in done.stdout, done
    cluster.mend()
    succeed(cluster, "--volume", "v", "true")
