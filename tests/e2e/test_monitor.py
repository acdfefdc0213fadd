"""What the monitor shows beside jobs and logs; what it is fed with; `ps --watch`, `usage` and the page for Prometheus."""
import json
import os
import re
import urllib.request

from harness import own_cluster, wait_until, with_flags
from gpu_double import make_driver
from test_top import ENTER, ESCAPE, Pane, select_alone

BUSY = "while :; do :; done"


def test_each_screen_shows_its_own(cluster):
    job = cluster.submit("echo never # waits-for-ever", "--nodes", "4")
    with Pane(cluster, 140, 40) as pane:
        pane.start_top()
        pane.await_text(rf"^\W*{job}x4 +QUEUED")
        pane.press("2")
        pane.await_text(r"^ devrun +nodes")
        pane.await_text(r"^ +node1 +ready +\d+ .*\d+%.*\d+%")
        pane.await_text(r"node1: .* of .* cores, .* promised")
        pane.press("3")
        pane.await_text(r"^ devrun +queue")
        pane.await_text(rf"^ +(\d+|-) +{job} .*needs 4 nodes")
        pane.press(ENTER)
        pane.await_text(rf"^ devrun +job {job}\b")
        pane.press(ESCAPE)
        pane.await_text(r"^ devrun +queue")
        pane.press("4")
        pane.await_text(rf"^ +{cluster.volume} .* \d+ ")
        pane.press("g", ENTER)
        pane.await_text(r"^ devrun +snapshots of ")
        pane.press(ESCAPE, ESCAPE)
        pane.await_text(r"^ devrun +jobs")
        pane.quit()
    cluster.devrun("cancel", str(job))


def test_explain_opens_a_text(cluster):
    job = cluster.submit("echo never # to-explain", "--nodes", "4")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "to-explain")
        pane.press("e")
        pane.await_text(rf"^ devrun +explain {job}")
        pane.await_text("needs 4 nodes")
        pane.press(ESCAPE)
        pane.await_text(r"^ devrun +jobs")
        pane.quit()
    cluster.devrun("cancel", str(job))


def test_the_difference_of_two_snapshots_is_shown(cluster):
    name = "made-between-two-snapshots"
    assert cluster.devrun("snapshot", "create", "-m", "before").status == 0
    with open(cluster.live(f"/root/{name}"), "w", encoding="ascii") as file:
        file.write("new")
    assert cluster.devrun("snapshot", "create", "-m", "after-it").status == 0
    with Pane(cluster) as pane:
        pane.start_top()
        pane.type(f":snapshots {cluster.volume}")
        pane.press(ENTER)
        pane.await_text("after-it")
        pane.press("d")
        pane.await_text(name)
        pane.press(ESCAPE)
        pane.await_text("after-it")
        pane.quit()


def test_a_job_runs_again(cluster):
    job = cluster.submit("echo ran # once-more")
    cluster.await_end(job)
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "once-more")
        pane.press("r")
        pane.await_text(f"Run job {job} again")
        pane.press("y")
        again = int(pane.await_text(rf"job {job} runs again as job (\d+)")[1])
        pane.await_text(rf"^\W*{again} .*SUCCEEDED")
        pane.quit()
    assert cluster.show(again)["ending"]["status"] == 0


def test_marked_jobs_are_cancelled_together(cluster):
    jobs = [cluster.submit("exec sleep 1000 # in-a-bunch") for _ in range(2)]
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "in-a-bunch")
        pane.press("Space", "Space", "x")
        pane.await_text(f"Cancel jobs {jobs[0]}, {jobs[1]}")
        pane.press("y")
        for job in jobs:
            pane.await_text(rf"^\W*{job} .*CANCELLED")
        pane.quit()


def test_a_shell_in_the_job_and_back(cluster):
    job = cluster.submit("touch /tmp/mark-of-this-job; exec sleep 1000 # has-a-shell")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "has-a-shell")
        pane.press("s")
        pane.await_text(rf"devrun exec -t {job}")
        pane.await_text(r"[$#] ?$")
        pane.type("ls /tmp/mark*")
        pane.press(ENTER)
        pane.await_text("^/tmp/mark-of-this-job")
        pane.type("exit")
        pane.press(ENTER)
        pane.await_text("any key goes back")
        pane.press("x")
        pane.await_text(rf"^\W*{job} .*RUNNING")
        assert not pane.shows("Cancel job"), "the key that goes back is no command"
        pane.quit()
    cluster.devrun("cancel", str(job))


def test_an_array_folds_out_with_failed_ones_first(cluster):
    array = cluster.submit("[ $DEVRUN_TASK != 2 ] || exit 9 # folds", "--array", "0-3", "--cpus", "0.5")
    cluster.await_end(array)
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "folds")
        pane.press("z")
        lines = pane.await_text(rf"^\W*{array}\[4\] .*\n.*_(\d)\b.*\n.*_(\d)\b.*")
        assert lines[1] == "2", lines[0]
        pane.press("z")
        pane.await_no_text(rf"{array}_2")
        pane.quit()


def test_cpu_of_a_busy_job_is_seen(cluster):
    job = cluster.submit(BUSY + " # burns")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster, 140, 40) as pane:
        pane.start_top()
        select_alone(pane, "burns")
        # A machine that others use, too, gives it less than a core.
        wait_until(lambda: float(pane.await_text(rf"^\W*{job} .*RUNNING .*? (\d+\.\d) ")[1]) > 0.1, "CPU of the job")
        pane.press(ENTER)
        pane.await_text("Used over time")
        pane.await_text(r"CPU .*cores, .* at most")
        pane.press(ESCAPE)
        pane.quit()
    cluster.devrun("cancel", str(job))


@own_cluster(nodes=1)
def test_idle_gpus_are_marked(cluster):
    root = make_driver(cluster)
    busy = os.path.join(root, "usr/lib/x86_64-linux-gnu/busy")

    def set_busy(*percents):
        with open(busy + ".new", "w", encoding="ascii") as file:
            file.writelines(f"{percent} {8 << 30}\n" for percent in percents)
        os.rename(busy + ".new", busy)

    set_busy(97, 0, 0, 0)
    done = cluster.devrun("up", "--store", cluster.folder, "--gpu-root", root)
    assert done.status == 0, done
    job = cluster.submit("exec sleep 1000 # on-a-gpu", "-g", "1", "--cpus", "0.5")
    cluster.await_state(job, "RUNNING")
    taken = cluster.show(job)["attempts"][0]["gpus"][0]
    set_busy(*(64 if index == taken else 0 for index in range(4)))
    with Pane(cluster, 140, 40) as pane:
        pane.start_top()
        pane.await_text(rf"^\W*{job} .*64%")
        pane.press("2")
        pane.await_text(rf"GPU {taken} .*64%.*8\.\d GB of 80.* {job}\b.*on-a-gpu")
        pane.await_text(r"^ +node1 +ready .* [·▆]*▆[·▆]* ")  # height tells, without colours too
        pane.await_text(r"NODE .*GPUS +CPU, 5 MINUTES +MEMORY|MEMORY .*[▁-█]")
        pane.press("1")
        set_busy(0, 0, 0, 0)
        pane.await_text(rf"^\W*{job} .* 0%")
        pane.quit()


def test_the_first_screen_and_changes_come_soon(cluster):
    """Not measured here: only that nothing waits for a tick of seconds, on a machine that may be busy."""
    with Pane(cluster) as pane:
        pane.start_top()
        job = cluster.submit("exec sleep 1000 # comes-soon")
        pane.await_text(rf"^\W*{job} ")
        pane.quit()
    cluster.devrun("cancel", str(job))


def read_lines(child, wanted, limit=200):
    """Lines of a program until one fits."""
    lines = []
    for _ in range(limit):
        lines.append(child.stdout.readline().decode())
        if not lines[-1] or re.search(wanted, lines[-1]):
            return lines
    raise AssertionError(f"no line fits {wanted}: {lines}")


def test_ps_watch_tells_each_change_in_a_line(cluster):
    with cluster.start("ps", "--watch", "watched-by-ps") as child:
        try:
            job = cluster.submit("exec sleep 1000 # watched-by-ps")
            read_lines(child, rf"^{job}\tRUNNING\t-\t.*watched-by-ps")
            cluster.devrun("cancel", str(job))
            read_lines(child, rf"^{job}\tCANCELLED\t130\t")
        finally:
            child.kill()


def test_ps_watch_shows_the_newest_where_not_all_fit(cluster):
    old = cluster.submit("exec sleep 1000 # fits-not lives")
    ended = [cluster.submit(f"true # fits-not {number}") for number in range(12)]
    for job in ended:
        cluster.await_end(job)
    with Pane(cluster, 120, 10) as pane:
        pane.type("devrun ps --watch fits-not")
        pane.press(ENTER)
        pane.await_text(rf"^{old} .*\n(.*\n)*{ended[-1]} ")
        pane.await_text("^… 6 more are not shown$")
        assert not pane.shows(rf"^{ended[0]} ")
        newest = cluster.submit("exec sleep 1000 # fits-not either")
        pane.await_text(rf"^{newest} .*RUNNING")
        pane.await_text("^… 7 more are not shown$")
        pane.press("C-c")
        cluster.devrun("cancel", str(old), str(newest))


def test_ps_watch_json_is_a_record_a_line(cluster):
    with cluster.start("ps", "--watch", "--json", "watched-json") as child:
        try:
            job = cluster.submit("exec true # watched-json")
            lines = read_lines(child, '"state":"SUCCEEDED"')
            records = [json.loads(line) for line in lines]
            assert all(record["job"] == job for record in records), lines
        finally:
            child.kill()


def test_ps_format_and_its_errors(cluster):
    job = cluster.submit("exit 3 # formatted")
    cluster.await_end(job)
    done = cluster.devrun("ps", "--format", r"{job}\t{state}\t{status}\t{{{user}}}", "formatted")
    assert done.status == 0 and done.out.decode().splitlines()[-1].startswith(f"{job}\tFAILED\t3\t{{"), done
    assert cluster.devrun("ps", "--format", "{job", "x").status == 2
    assert cluster.devrun("ps", "--format", "{job}", "--json").status == 2


def test_ps_is_coloured_on_a_terminal_alone(cluster):
    job = cluster.submit("exit 3 # painted")
    cluster.await_end(job)
    assert b"\x1b" not in cluster.devrun("ps").out
    with Pane(cluster, 160, 30) as pane:
        pane.type("devrun ps painted")
        pane.press(ENTER)
        pane.await_text(rf"^{job} .*FAILED")
        assert re.search(r"\x1b\[31m.*FAILED", pane.tmux("capture-pane", "-p", "-e"))
        pane.type("clear; NO_COLOR=1 devrun ps painted; echo done-plain")
        pane.press(ENTER)
        pane.await_text("^done-plain")
        assert "\x1b[31m" not in pane.tmux("capture-pane", "-p", "-e")


def test_usage_counts_hours(cluster):
    job = cluster.submit("sleep 2 # counted", "--cpus", "1")
    cluster.await_end(job)
    record = json.loads(cluster.devrun("usage", "--since", "1h", "--json").out)
    (use,) = [one for one in record["use"] if one["volume"] == cluster.volume]
    assert use["jobs"] >= 1 and use["core_hours"] >= 2 / 3600, record
    text = cluster.devrun("usage", "--by", "user").out.decode()
    assert text.startswith("USER ") and "VOLUME" not in text, text
    assert cluster.devrun("usage", "--since", "soon").status == 2


@own_cluster(nodes=1)
def test_prometheus_reads_the_numbers(cluster):
    with_flags(cluster, controller=["--metrics", "127.0.0.1:0"])
    job = cluster.submit("exec sleep 1000 # measured")
    cluster.await_state(job, "RUNNING")
    with open(os.path.join(cluster.folder, "run/controller.log"), encoding="utf-8") as file:
        port = re.findall(r"metrics on port (\d+)", file.read())[-1]

    def page():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            return reply.read().decode()

    wait_until(lambda: 'devrun_jobs{state="running"} 1' in page(), "the running job")
    wait_until(lambda: re.search(r'devrun_node_cpu_ratio\{node="node1"\} [01]', page()), "the node's load")
    assert 'devrun_nodes{state="ready"}' in page()
    wait_until(lambda: re.search(rf'devrun_job_memory_bytes\{{user="[^"]+",job="{job}",node="node1"\}} \d', page()),
               "the job's own series")
    assert "devrun_jobs_without_series 0" in page()
