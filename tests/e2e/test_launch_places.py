"""What `devrun launch` puts where: file mounts, shared folders, volumes, fetched URIs, clones, uploads, ports."""
import json
import os
import shutil
import subprocess

from harness import Skip, wait_until, write
import test_launch
from test_launch import ids, refused


def launch(cluster, text, *options, **more):
    """From this machine, with the home folder that the volume has."""
    more.setdefault("env", cluster.environment(HOME="/root"))
    return test_launch.launch(cluster, text, *options, **more)


def shell(cluster, script, **more):
    """A script in the dev container, where the volume's own files are."""
    return cluster.devrun("shell", cluster.volume, "--", "sh", "-c", script, **more)


def in_container(cluster, text, *options, folder="/work"):
    write(cluster.live("work/places.yaml"), text)
    return shell(cluster, f"cd {folder} && devrun launch {' '.join(options)} /work/places.yaml")


def stub(cluster, name, text):
    path = cluster.live(f"usr/bin/{name}")
    write(path, text)
    os.chmod(path, 0o755)


def test_local_mounts_are_at_their_targets_and_change_nothing(cluster):
    os.makedirs(cluster.live("work/pics"), exist_ok=True)
    write(cluster.live("work/pics/a.txt"), "a\n")
    write(cluster.live("work/one.txt"), "one\n")
    done = in_container(cluster, """
file_mounts:
  /data/pics: ./pics
  ~/deep/er/one.txt: one.txt
  /tmp/pics: pics
  rel: pics
workdir: .
run: |
  cat /data/pics/a.txt ~/deep/er/one.txt /tmp/pics/a.txt rel/a.txt
""")
    assert done.status == 0 and done.out == b"a\none\na\na\n", done
    for path in ("root/deep/er/one.txt", "data/pics/a.txt", "work/rel/a.txt"):
        assert not os.path.exists(cluster.live(path)), path


def test_a_mount_that_is_not_here_is_said_with_its_line(cluster):
    before = ids(cluster)
    done = in_container(cluster, "file_mounts:\n  /data: ./nowhere\nrun: echo never\n")
    assert done.status == 125 and "line 2" in done.err and "./nowhere" in done.err, done
    assert all(job["dev_container"] for job in cluster.jobs() if job["job"] not in before)
    shown = in_container(cluster, "file_mounts:\n  /data: ./nowhere\nrun: x\n", "--dry-run")
    assert shown.status == 0 and b"line 2" in shown.out and b"is not here" in shown.out, shown


def test_a_shared_folder_is_live_between_jobs_and_stays(cluster):
    text = "file_mounts:\n  /out: {{name: results, mode: MOUNT}}\nrun: {}\n"
    assert launch(cluster, text.format("echo first > /out/file")).status == 0
    done = launch(cluster, text.format("cat /out/file; echo second >> /out/file"))
    assert done.status == 0 and done.out == b"first\n" and "1 file" not in done.err, done
    with open(cluster.live("file", volume="results"), encoding="ascii") as file:
        assert file.read() == "first\nsecond\n"
    # A volume of one's own, by `volumes`, is the same folder.
    done = launch(cluster, "volumes: {/v: results}\nrun: cat /v/file\n")
    assert done.out == b"first\nsecond\n", done
    said = refused(cluster, "volumes: {/v: no-such-volume}\nrun: x\n")
    assert "no-such-volume" in said and "volume create" in said, said
    shown = cluster.devrun("show", str(max(ids(cluster)))).out.decode()
    assert "volume results, live" in shown, shown


def test_a_shared_folder_is_its_makers_also_if_that_is_not_root(cluster):
    text = "file_mounts: {/o: {name: of-ada}}\nrun: echo $(id -u) > /o/file && cat /o/file\n"
    path = os.path.join(cluster.home, "of-ada.yaml")
    write(path, text)
    keys = os.path.join(cluster.home, "keys-of-ada")
    os.makedirs(keys)
    with open(cluster.config, encoding="ascii") as file:
        lines = [line.rstrip("\n").split(": ", 1) for line in file if ": " in line]
    for line in lines:
        if line[0] in ("ca", "cert", "key"):
            line[1] = shutil.copy(line[1], os.path.join(keys, line[0]))
            os.chown(line[1], 1000, 1000)
    config = os.path.join(keys, "config.yaml")
    write(config, "".join(f"{name}: {value}\n" for name, value in lines))
    done = cluster.devrun("launch", path, env=cluster.environment(HOME="/home/ada", DEVRUN_CONFIG=config), user=1000,
                          group=1000, extra_groups=[])
    assert done.status == 0 and done.out == b"1000\n", done
    assert os.stat(cluster.live("/", volume="of-ada")).st_uid == 1000


def test_a_shared_folder_from_a_container_and_with_content(cluster):
    os.makedirs(cluster.live("work/seed"), exist_ok=True)
    write(cluster.live("work/seed/x"), "seeded\n")
    done = in_container(cluster, """
file_mounts:
  /bucket: {name: seeded-bucket, source: ./seed}
  /mine: {name: seeded-bucket2, source: ./seed, mode: COPY}
run: cat /bucket/x /mine/x
""")
    assert done.status == 0 and done.out == b"seeded\nseeded\n", done
    assert os.path.exists(cluster.live("x", volume="seeded-bucket"))


AWS = """#!/bin/sh
echo "aws $*" >> /tmp/aws-log
case "$*" in
  *"s3 ls s3://bucket/folder/") echo "PRE x";;
  *"s3 ls"*) exit 1;;
  *"s3 sync"*) for last; do :; done; echo synced > "$last/file";;
  *"s3 cp"*) for last; do :; done; echo copied > "$last";;
esac
"""


def test_uris_are_fetched_by_the_volumes_tools(cluster):
    stub(cluster, "aws", AWS)
    stub(cluster, "curl", "#!/bin/sh\nwhile [ $# -gt 2 ]; do [ $1 = -o ] && to=$2; shift; done\necho by-curl > \"$to\"\n")
    done = launch(cluster, """
file_mounts:
  /in/folder: s3://bucket/folder
  /in/file: s3://bucket/file
  ~/web/page: https://example.com/page
setup: cat /in/file
run: cat /in/folder/file /in/file ~/web/page
""")
    os.remove(cluster.live("usr/bin/aws"))
    os.remove(cluster.live("usr/bin/curl"))
    assert done.status == 0 and done.out == b"copied\nsynced\ncopied\nby-curl\n", done
    os.remove(cluster.live("root/web/page"))


def test_a_tool_that_the_volume_lacks_is_named(cluster):
    done = launch(cluster, "file_mounts: {/in: gs://bucket/x}\nrun: echo never\n")
    assert done.status == 125 and done.out == b"" and "gsutil" in done.err and "Try: " in done.err, done


def test_a_shared_folder_is_fetched_once(cluster):
    stub(cluster, "aws", AWS.replace("/tmp/aws-log", "/root/aws-log"))
    text = "file_mounts: {/b: {source: 's3://bucket/folder', mode: MOUNT}}\nnum_nodes: 2\nrun: cat /b/file\n"
    for _ in range(2):
        done = launch(cluster, text)
        assert done.status == 0 and sorted(done.out.splitlines()) == [b"[0] synced", b"[1] synced"], done
    os.remove(cluster.live("usr/bin/aws"))
    with open(cluster.live("root/aws-log"), encoding="ascii") as file:
        assert file.read().count("s3 sync") == 1
    os.remove(cluster.live("root/aws-log"))


def test_a_workdir_from_outside_is_uploaded_once_and_again_when_it_changes(cluster):
    folder = os.path.join(cluster.home, "project")
    os.makedirs(os.path.join(folder, ".git"), exist_ok=True)
    write(os.path.join(folder, ".skyignore"), "*.bin\n")
    write(os.path.join(folder, "big.bin"), "not this\n")
    write(os.path.join(folder, "train.txt"), "one\n")
    text = "workdir: .\nrun: cat train.txt; ls -A; pwd -P\n"

    def run():
        return launch(cluster, text, cwd=folder)

    def uploads():
        return [job for job in cluster.jobs() if job["name"] == "upload"]

    before = len(uploads())
    for _ in range(2):
        done = run()
        assert done.status == 0 and done.out == b"one\n.skyignore\ntrain.txt\n/root/sky_workdir\n", done
    assert len(uploads()) == before + 1, "the same content is brought once"
    write(os.path.join(folder, "train.txt"), "two, and longer\n")
    done = run()
    assert done.out.startswith(b"two, and longer\n") and len(uploads()) == before + 2, done
    assert not os.path.exists(cluster.live("root/sky_workdir/train.txt")), "nothing of it came home"


def test_what_a_task_writes_into_an_uploaded_workdir_comes_home(cluster):
    folder = os.path.join(cluster.home, "elsewhere")
    os.makedirs(folder)
    write(os.path.join(folder, "train.txt"), "one\n")
    text = "name: laptop\nworkdir: .\nrun: cat out/* 2>/dev/null; mkdir -p out; date +%N > out/$(ls out | wc -l)\n"
    home = cluster.live("root/sky_workdir")
    for times in range(3):
        done = launch(cluster, text, cwd=folder)
        assert done.status == 0 and len(done.out.splitlines()) == times and "conflict" not in done.err, done
        assert os.listdir(home) == ["out"], "results come home, uploads do not"
    # Once more, in the very same file system: a result that it writes again is no edit of somebody else's.
    job = str(max(int(job["job"]) for job in cluster.jobs() if job["name"] == "laptop"))
    done = cluster.devrun("rerun", job, "--", "sh", "-c", "cat ~/sky_workdir/train.txt; echo again > ~/sky_workdir/more")
    assert done.status == 0 and done.out == b"one\n" and "conflict" not in done.err, done
    with open(os.path.join(home, "more"), encoding="ascii") as file:
        assert file.read() == "again\n"
    shutil.rmtree(home)


def test_what_was_brought_is_never_laid_over_an_edit(cluster):
    folder = os.path.join(cluster.home, "notes")
    os.makedirs(folder)
    write(os.path.join(folder, "notes.txt"), "of the laptop\n")
    os.makedirs(cluster.live("root/sky_workdir"))
    write(cluster.live("root/sky_workdir/notes.txt"), "of the dev container\n")
    done = launch(cluster, "name: notes\nworkdir: .\nrun: cat notes.txt; echo more >> notes.txt\n", cwd=folder)
    assert done.status == 0 and done.out == b"of the laptop\n" and "devrun apply" in done.err, done
    with open(cluster.live("root/sky_workdir/notes.txt"), encoding="ascii") as file:
        assert file.read() == "of the dev container\n"
    shutil.rmtree(cluster.live("root/sky_workdir"))


def test_what_a_stage_removes_of_what_was_brought_is_gone_for_the_next(cluster):
    folder = os.path.join(cluster.home, "stages")
    os.makedirs(folder)
    for name in ("new.txt", "old.txt"):
        write(os.path.join(folder, name), name + "\n")
    stages = "name: stages\n---\nname: a\nworkdir: .\nrun: rm old.txt; mv new.txt newer.txt\n---\nname: b\nworkdir: .\nrun: ls\n"
    done = launch(cluster, stages, cwd=folder)
    assert done.status == 0 and done.out == b"newer.txt\n", done
    assert os.listdir(cluster.live("root/sky_workdir")) == ["newer.txt"], done
    shutil.rmtree(cluster.live("root/sky_workdir"))


def test_a_folder_in_the_place_of_the_workdirs_is_covered(cluster):
    """What a task without workdir has left there takes nobody's place."""
    home = cluster.live("root/sky_workdir")
    done = launch(cluster, "run: echo mine > of-another.txt\n")
    assert done.status == 0 and os.listdir(home) == ["of-another.txt"], done
    os.makedirs(cluster.live("work/covered"))
    write(cluster.live("work/covered/train.txt"), "one\n")
    write(cluster.live("work/covered/task.yaml"), """
workdir: .
setup: pwd
run: |
  pwd; ls; ls ~/sky_workdir; echo two > made.txt
  sleep 4
""")
    for listing in (b"task.yaml\ntrain.txt\n", b"made.txt\ntask.yaml\ntrain.txt\n"):
        done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cd /work/covered && devrun launch task.yaml")
        assert done.status == 0 and "folder of its own" not in done.err, done
        assert done.out.endswith(b"/root/sky_workdir\n" + listing + listing), done
        assert os.listdir(home) == ["of-another.txt"], "neither a link nor what was made came there"
        assert os.path.exists(cluster.live("work/covered/made.txt"))
    shutil.rmtree(home)
    # Without it the scripts' link is nobody's result, however long the task runs.
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cd /work/covered && devrun launch task.yaml")
    assert done.status == 0 and not os.path.lexists(home), done


def test_a_mount_from_outside_is_uploaded(cluster):
    path = os.path.join(cluster.home, "settings.json")
    write(path, "{}\n")
    done = launch(cluster, f"file_mounts:\n  /etc/my/settings.json: {path}\nrun: cat /etc/my/settings.json\n")
    assert done.status == 0 and done.out == b"{}\n", done


def test_a_repository_is_cloned_at_submission(cluster):
    folder = os.path.join(cluster.home, "repository")
    os.makedirs(folder, exist_ok=True)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]

    def git(*words):
        return subprocess.run(["git", "-C", folder, *identity, *words], check=True, stdout=subprocess.PIPE, text=True)
    try:
        git("init", "-q", "-b", "main")
    except FileNotFoundError:
        raise Skip("there is no git here") from None
    write(os.path.join(folder, "file"), "first\n")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    git("tag", "v1")
    write(os.path.join(folder, "file"), "second\n")
    git("commit", "-q", "-a", "-m", "second")
    commit = git("rev-parse", "v1").stdout.strip()
    for ref, content in (("v1", b"first\n"), ("main", b"second\n"), (commit, b"first\n")):
        done = launch(cluster, f"workdir: {{url: 'file://{folder}', ref: {ref}}}\nrun: cat file\n")
        assert done.status == 0 and done.out == content, (ref, done)
    said = refused(cluster, f"workdir: {{url: 'file://{folder}', ref: no-such-ref}}\nrun: x\n")
    assert "no-such-ref" in said and "could not be cloned" in said, said


def test_an_image_becomes_a_volume_once(cluster):
    for program in ("skopeo", "umoci"):
        if not shutil.which(program):
            raise Skip(f"NOT TESTED: there is no {program} here")
    layout = os.path.join(cluster.home, "layout")
    archive = os.path.join(cluster.home, "task-image.tar")
    subprocess.run(["umoci", "init", "--layout", layout], check=True)
    subprocess.run(["umoci", "new", "--image", layout + ":small"], check=True)
    subprocess.run(["umoci", "insert", "--image", layout + ":small", cluster.root, "/"], check=True)
    subprocess.run(["skopeo", "copy", "--insecure-policy", f"oci:{layout}:small", f"oci-archive:{archive}"],
                   check=True, stdout=subprocess.DEVNULL)
    folder = os.path.join(cluster.home, "for-image")
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "mine.txt"), "from here\n")
    write(cluster.live("work/only-in-box"), "")
    text = (f"resources: {{image_id: 'docker:oci-archive:{archive}'}}\nworkdir: .\n"
            "run: cat mine.txt; ls /work/only-in-box 2>/dev/null; cat /work/version\n")
    first = launch(cluster, text, cwd=folder)
    os.remove(cluster.live("work/only-in-box"))
    assert first.status == 0 and first.out == b"from here\none\n" and "making volume image-" in first.err, first
    again = launch(cluster, text, cwd=folder)
    assert again.status == 0 and again.out == first.out and "making" not in again.err, again
    shown = cluster.devrun("show", str(max(ids(cluster)))).out.decode()
    assert archive in shown, shown


def test_ports_and_probe_are_shown_and_offered(cluster):
    done = launch(cluster, "resources: {ports: [8080, 9000-9002]}\nservice: {readiness_probe: /health}\n"
                           "run: exec sleep 1000\n", "-d")
    job = int(done.out)
    shown = cluster.devrun("show", str(job)).out.decode()
    assert "8080, 9000-9002: devrun port-forward" in shown and "GET /health on port 8080" in shown, shown
    record = cluster.show(job)
    assert record["ports"] == [{"first": 8080, "last": 8080}, {"first": 9000, "last": 9002}], record
    assert any(one["job"] == job and one["ports"] for one in json.loads(cluster.devrun("ps", "--json").out)["jobs"])
    cluster.await_state(job, "RUNNING")
    child = cluster.start("port-forward", str(job))
    said = [child.stderr.readline().decode() for _ in range(4)]
    assert "8080" in said[0] and "9002" in said[3], said
    cluster.devrun("cancel", str(job))
    child.communicate(timeout=30)
    other = cluster.submit("true")
    assert "which port" in cluster.devrun("port-forward", str(other)).err


def test_a_volume_is_not_mounted_for_those_who_may_not(cluster):
    # Only root of a volume may use its owner's other volumes.
    text = "volumes: {/v: results}\nrun: cat /v/file\n"
    write(cluster.live("work/places.yaml"), text)
    done = shell(cluster, "cd /work && su ada -c 'devrun launch /work/places.yaml'")
    assert done.status == 125 and "only root" in done.err, done


def test_shared_names_wait_for_nobody(cluster):
    # Two launches at once make one folder.
    text = "file_mounts: {/o: {name: at-once}}\nrun: echo $SKYPILOT_TASK_ID > /o/$SKYPILOT_TASK_ID\n"
    path = os.path.join(cluster.home, "at-once.yaml")
    write(path, text)
    children = [cluster.start("launch", "-q", path) for _ in range(3)]
    for child in children:
        _, said = child.communicate(timeout=60)
        assert child.returncode == 0, said
    wait_until(lambda: len(os.listdir(cluster.live("/", volume="at-once"))) == 3, "three files")
