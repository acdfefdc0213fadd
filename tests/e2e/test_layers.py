"""A job in a snapshot that is new to its node, in an overlay of what was edited over the tree that ran there before: it
sees the new snapshot and nothing else, and what it writes is judged against that.
"""
import os
import re
import shutil
import subprocess

from harness import own_cluster, write

LOOK = ("cd {root} && find work data home -xdev | sort | while read -r name; do "
        "stat -c '%n %F %a %u %g %h %Y inode %i' \"$name\"; if [ -L \"$name\" ]; then readlink \"$name\"; "
        "elif [ -f \"$name\" ]; then md5sum \"$name\"; fi; done")


def plain(said):
    """Overlay puts the number of the file system into the upper bits of an inode number."""
    return re.sub(r"inode (\d+)", lambda found: f"inode {int(found[1]) & 0xffffffff}", said)


def seen_live(cluster):
    return subprocess.run(["/bin/busybox", "sh", "-c", LOOK.format(root=cluster.live(""))], stdout=subprocess.PIPE,
                          check=True).stdout.decode()


def layers_of_running(cluster):
    """The lower layers of the one job's overlay, as its agent has mounted it."""
    with open(f"/proc/{cluster.pid('node1.agent')}/mountinfo", encoding="utf-8") as file:
        lines = [line for line in file if " - overlay devrun " in line and "/bundle/rootfs " in line]
    assert len(lines) == 1, lines
    options = lines[0].split()[-1]
    # Newer kernels tell each lower layer by itself.
    lower = [option for option in options.split(",") if option.startswith("lowerdir")]
    return len(lower) + sum(option.count(":") for option in lower if not option.startswith("lowerdir+"))


def check(cluster, layers):
    """A job sees what is live now, in that many layers."""
    job = cluster.start("--", "sh", "-c", LOOK.format(root="/") + "; echo .; read go")
    said = ""
    while not said.endswith("\n.\n"):
        line = job.stdout.readline().decode()
        assert line, (said, job.stderr.read().decode())
        said += line
    counted = layers_of_running(cluster)
    _, err = job.communicate(b"go\n", timeout=60)
    assert job.returncode == 0, err
    live = seen_live(cluster)
    assert plain(said) == live + ".\n", f"{said}\nlive:\n{live}"
    assert counted == layers, counted


@own_cluster(nodes=1)
def test_a_job_sees_exactly_the_new_snapshot(cluster):
    live = cluster.live
    os.makedirs(live("work/swap/inner"))
    write(live("work/swap/inner/file"), "inner\n")
    os.symlink("version", live("work/link"))
    check(cluster, 1)
    write(live("work/version"), "two\n")
    os.remove(live("work/twin1"))
    shutil.rmtree(live("work/swap"))
    write(live("work/swap"), "a file now\n")
    os.makedirs(live("data/deep/er"))
    write(live("data/deep/er/new"), "new\n")
    os.remove(live("work/link"))
    os.symlink("twin2", live("work/link"))
    os.chmod(live("home/ada"), 0o700)
    check(cluster, 2)
    check(cluster, 2)
    os.remove(live("work/swap"))
    os.makedirs(live("work/swap/inner"))
    write(live("work/swap/inner/other"), "a folder again\n")
    os.remove(live("data/blob"))
    os.mkdir(live("data/blob"))
    check(cluster, 2)
    # Hard links are for one layer, which is the next ones' base.
    os.link(live("work/version"), live("work/version-too"))
    check(cluster, 1)
    write(live("work/new"), "new\n")
    check(cluster, 2)
    done = cluster.sh("echo more >> /work/version; cat /work/version-too; mv /data/deep /data/moved; "
                      "cat /data/moved/er/new; ls /data")
    assert done.out == b"two\nmore\nnew\nblob\nmoved\n", done


@own_cluster(nodes=1)
def test_what_is_written_is_judged_against_the_new_snapshot(cluster):
    live = cluster.live
    check(cluster, 1)
    os.remove(live("work/twin1"))
    write(live("work/new"), "new\n")
    check(cluster, 2)
    job = cluster.submit("echo a > /work/twin1; echo b > /work/twin2; echo c > /work/new; rm /work/version")
    cluster.await_end(job)
    said = cluster.devrun("changes", str(job)).out.decode()
    for line in ("A /work/twin1", "M /work/twin2", "M /work/new", "D /work/version"):
        kind, path = line.split()
        assert any(kind in words.split() and path in words for words in said.splitlines()), (line, said)
