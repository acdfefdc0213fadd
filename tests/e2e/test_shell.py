"""The dev container: the live volume, entered."""
import os

from harness import finish


def test_a_shell_sees_and_writes_the_live_volume(cluster):
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cat > /work/typed; cat /work/typed",
                          stdin=b"by hand\n")
    assert done.status == 0 and done.out == b"by hand\n", done
    with open(cluster.live("work/typed"), encoding="utf-8") as file:
        assert file.read() == "by hand\n"
    assert cluster.devrun("cat", "/work/typed").out == b"by hand\n"


def test_devrun_inside_needs_no_flag_and_no_key(cluster):
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c",
                          "cd /work && echo inside > note && devrun cat note && devrun pwd")
    assert done.status == 0 and done.out == b"inside\n/work\n", done
    done = cluster.devrun("shell", cluster.volume, "--", "devrun", "sh", "-c", "exit 21")
    assert done.status == 21, done


def test_an_edit_inside_is_seen_by_the_next_run_inside(cluster):
    script = "cd /work; for i in 1 2 3; do echo $i > n; devrun cat n; done"
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", script)
    assert done.out == b"1\n2\n3\n", done


def test_devrun_inside_a_job_runs_in_that_jobs_tree(cluster):
    done = cluster.sh("devrun cat /work/twin1 | wc -l", "--cpus", "1")
    assert done.status == 0 and done.out.strip() == b"300", done


def test_a_second_shell_is_told_how_to_go_on(cluster):
    """Joining the container is not there yet; nothing must happen to the first."""
    first = cluster.start("shell", cluster.volume, "--", "sh", "-c", "echo up; read line; echo $line")
    assert first.stdout.readline() == b"up\n"
    second = cluster.devrun("shell", cluster.volume, "--", "true")
    assert second.status == 125 and "devrun attach" in second.err and "--stop" in second.err, second
    done = finish(first, b"still here\n")
    assert done.status == 0 and done.out == b"still here\n", done


def test_no_key_lies_in_the_container(cluster):
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "ls /var/lib/devrun /root/.config; env")
    assert b".key" not in done.out and cluster.folder.encode() not in done.out, done
    assert not os.path.exists(cluster.live("root/.config/devrun"))


def test_the_shell_can_be_stopped(cluster):
    assert cluster.devrun("shell", cluster.volume, "--", "true").status == 0
    assert cluster.devrun("shell", cluster.volume, "--stop").status == 0
    assert cluster.devrun("shell", cluster.volume, "--", "true").status == 0
