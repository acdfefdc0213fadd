"""`devrun top` as somebody has it open all day: the filter stays theirs, failed tasks are found, a silent node is told as
one, bars stay one line."""
import os
import re
import signal

from harness import own_cluster, wait_until
from test_top import ENTER, ESCAPE, Pane, select_alone


def test_a_look_at_a_node_gives_the_filter_back(cluster):
    job = cluster.submit("exec sleep 1000 # daily-habit", "--cpus", "0.2")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster, 120, 24) as pane:
        pane.start_top("--readonly")
        pane.await_text(r"^ devrun +jobs +read-only .*\d+/\d+ nodes")
        select_alone(pane, "daily-habit")
        pane.await_text(r"1/1  1 of \d+ jobs$")
        pane.press("2")
        pane.await_text(r"^ devrun +nodes +read-only")
        pane.await_text(r" 1/[3-5]$")
        pane.press("j")
        pane.await_text(r" 2/[3-5]$")
        pane.press(ENTER)
        pane.await_text(r"^ /node:\^.*\$ +Esc back to the nodes")
        pane.press(ESCAPE)
        pane.await_text(r"^ devrun +nodes")
        pane.press("1")
        pane.await_text(r"^ /daily-habit +Esc clears it")
        pane.await_text(rf"^\W*{job} .*RUNNING")
        pane.press(ESCAPE)
        pane.await_no_text("^ /daily-habit")
        pane.press("/", "Up")
        pane.await_text("^ /daily-habit▏")
        pane.press("Down")
        pane.await_text("^ /▏")
        pane.press(ESCAPE)
        pane.quit()
    cluster.devrun("cancel", str(job))


def test_failed_tasks_are_found_and_asked_about(cluster):
    array = cluster.submit("[ $DEVRUN_TASK != 2 ] || exit 9; exec sleep 1000 # looked-into", "--array", "0-3",
                           "--cpus", "0.2")
    wait_until(lambda: cluster.show(array)["tasks"]["failed"] == 1, "the task that fails")
    with Pane(cluster, 120, 24) as pane:
        pane.start_top()
        pane.press("/")
        pane.type("state:failed looked-into")
        pane.await_text(rf"^\W*{array}\[4\] .*\n.*_2 +FAILED .*exit 9")
        assert not pane.shows(rf"{array}_[013]"), pane.text()
        pane.press(ENTER, "j", "e")
        pane.await_text(rf"^ devrun +explain {array}_2 ")
        pane.await_text(rf"job {array}_2 is FAILED, status 9")
        pane.press(ESCAPE, "d")
        pane.await_text(rf"^ devrun +diff of task {array}_2 and {cluster.volume} now")
        pane.await_text(r"Nothing\.|^ [AMDPT] ")
        assert not pane.shows("devrun: "), pane.text()
        pane.press(ESCAPE, "x")
        pane.await_text(f"job {array}_2 has already ended: FAILED")
        pane.press("n", ESCAPE)
        pane.quit()
    cluster.devrun("cancel", str(array))


@own_cluster(1)
def test_a_silent_node_is_told_as_one(cluster):
    job = cluster.submit("while :; do :; done # on-a-silent-node", "--cpus", "0.5")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster, 140, 24) as pane:
        pane.start_top()
        pane.await_text(rf"^\W*{job} .*RUNNING .* \d+\.\d ")
        pane.press("2")
        pane.await_text(r"^ +node1 +ready +\d+ +[█·]+ +\d+%")
        agent = cluster.pid("node1.agent")
        os.kill(agent, signal.SIGSTOP)
        try:
            wait_until(lambda: pane.shows(r"^ +node1 +away .* was \d+% +was \d+%"), "a silent node", 60)
            pane.await_text(r"told nothing for \d+")
            pane.press("1")
            row = pane.await_text(rf"^\W*{job} .*UNREACHABLE .*")[0]
            assert not re.search(r" \d+\.\d ", row), row
        finally:
            os.kill(agent, signal.SIGCONT)
        pane.await_text(rf"^\W*{job} .*RUNNING")
        pane.press("2")
        wait_until(lambda: pane.shows(r"^ +node1 +ready +\d+ +[█·]+ +\d+%"), "the node is back", 60)
        pane.quit()


def test_a_bar_beside_lines_of_stdout_is_one_line(cluster):
    job = cluster.submit(r"i=0; while [ $i -lt 60 ]; do i=$((i+1)); printf '\r%d%% done' $i >&2; echo step-$i; "
                         "sleep 0.05; done; echo >&2; exec sleep 1000 # has-a-bar", "--cpus", "0.2")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster, 100, 40) as pane:
        pane.start_top()
        select_alone(pane, "has-a-bar")
        pane.press("l")
        for step in (10, 30, 60):
            pane.await_text(f"^step-{step}$")
            assert len(re.findall("% done", pane.text())) == 1, pane.text()
        pane.await_text("^60% done$")
        pane.press("t")
        pane.await_text("stdout, ")
        pane.await_no_text("% done")
        pane.press("t")
        pane.await_text("stderr, ")
        pane.await_text(r"\A.*\n60% done\n\s*\n")
        pane.quit()
    cluster.devrun("cancel", str(job))


def test_an_output_longer_than_what_is_held_is_there_to_its_first_line(cluster):
    job = cluster.submit("seq 1 250000; exec sleep 1000 # very-long", "--cpus", "0.3")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster, 100, 20) as pane:
        pane.start_top()
        select_alone(pane, "very-long")
        pane.press("l")
        pane.await_text("^250000$")
        pane.await_text("following")
        pane.press("g")
        pane.await_text(r"\A.*\n1\n2\n3\n")
        pane.await_text("line 1 of 250000")
        pane.press("G")
        pane.await_text("^250000$")
        pane.press("/")
        pane.type("^777$")
        pane.press(ENTER)
        pane.await_text(r"\A.*\n777\n778\n")
        pane.press("N")
        pane.await_text("no earlier match")
        pane.press("k")
        pane.await_text(r"\A.*\n776\n777\n")
        pane.quit()
    cluster.devrun("cancel", str(job))


def test_a_plain_locale_is_drawn_without_other_characters(cluster):
    job = cluster.submit("exec sleep 1000 # plain", "--array", "0-1", "--cpus", "0.2")
    with Pane(cluster) as pane:
        pane.type("unset LC_ALL LC_CTYPE; export LANG=C")
        pane.press(ENTER)
        pane.start_top()
        pane.await_text(rf"^> {job}\[2\]")
        pane.quit()
    cluster.devrun("cancel", str(job))
