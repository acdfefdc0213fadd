"""`devrun top` when things go wrong: a controller that is silent or killed, keys that come too early, pasted text, a
screen that others have written on, characters of which terminals make something else."""
import os
import re
import signal
import subprocess
import time

from harness import own_cluster, wait_until, write
from test_top import ENTER, ESCAPE, Pane, select_alone

TICKS = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo tick-$i; sleep 0.1; done"


def ticks(pane):
    return [int(number) for number in re.findall(r"^tick-(\d+)$", pane.text(), re.MULTILINE)]


def newest_tick(pane):
    pane.await_text(r"^tick-(\d+)$")
    return ticks(pane)[-1]


def await_further_ticks(pane):
    """Lines that were not there yet, and none left out. Many may come at once."""
    seen = newest_tick(pane)
    wait_until(lambda: (ticks(pane) or [0])[-1] >= seen + 8, "further lines", 20)
    rows = ticks(pane)
    assert rows == list(range(rows[0], rows[0] + len(rows))), rows


@own_cluster(1)
def test_a_controller_that_is_silent_is_noticed_and_q_does_not_wait_for_it(cluster):
    job = cluster.submit(TICKS + " # goes-on")
    cluster.await_state(job, "RUNNING")
    controller = cluster.pid("controller")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "goes-on")
        pane.press("l")
        pane.await_text("following")
        os.kill(controller, signal.SIGSTOP)
        try:
            began = time.monotonic()
            wait_until(lambda: pane.shows("controller away"), "the silence is told", 25)
            assert time.monotonic() - began > 3, "a word that is late is no silence"
            pane.await_text("goes on when the controller is back")
        finally:
            os.kill(controller, signal.SIGCONT)
        pane.await_no_text("controller away")
        await_further_ticks(pane)
        pane.press(ESCAPE, "4")
        pane.await_text(rf"^ +{cluster.volume} ")
        os.kill(controller, signal.SIGSTOP)
        try:
            pane.press("1", "4", "3")  # questions that nobody answers
            began = time.monotonic()
            pane.quit()
            assert time.monotonic() - began < 3, "q waits for nobody"
        finally:
            os.kill(controller, signal.SIGCONT)


@own_cluster(1)
def test_an_open_log_goes_on_when_a_killed_controller_is_back(cluster):
    job = cluster.submit(TICKS + " # survives")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "survives")
        pane.press("l")
        pane.await_text("tick-5$")
        cluster.kill("controller")
        pane.await_text("controller away")
        pane.await_text("goes on when the controller is back")
        cluster.mend()
        pane.await_text("following")
        await_further_ticks(pane)
        pane.press(ESCAPE)
        pane.await_text(rf"^\W*{job} .*RUNNING")
        pane.press("x")
        pane.await_text(f"Cancel job {job}")
        pane.press("y")
        pane.await_text(rf"^\W*{job} .*CANCELLED")
        pane.quit()


def test_keys_typed_ahead_and_pasted_text_confirm_nothing(cluster):
    job = cluster.submit("exec sleep 1000 # not-by-accident")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "not-by-accident")
        pane.type("xy")
        pane.await_text(f"Cancel job {job}\\?")
        pane.press("n")
        pane.await_no_text("Cancel job")
        for text in ("xy", "x\ny\n", "q"):
            pane.tmux("set-buffer", text)
            pane.tmux("paste-buffer", "-p")
            pane.await_text("pasted text goes into")
            pane.press("j")
            pane.await_no_text("pasted text goes into")
        assert not pane.shows("Cancel job")
        pane.press("x")
        pane.await_text(f"Cancel job {job}\\?")
        pane.tmux("set-buffer", "y")
        pane.tmux("paste-buffer", "-p")
        pane.press("n")
        pane.await_no_text("Cancel job")
        pane.press(ESCAPE, "/")
        pane.tmux("set-buffer", "not-by\n")
        pane.tmux("paste-buffer", "-p")
        pane.await_text("^ /not-by")
        pane.press(ENTER)
        pane.await_text(rf"^\W*{job} .*RUNNING")
        assert cluster.show(job)["state"] == "RUNNING"
        pane.quit()
    cluster.devrun("cancel", str(job))


def test_with_200_ms_to_the_terminal_keys_mean_what_was_seen(cluster):
    jobs = [cluster.submit(f"exec sleep 1000 # far-away-{number}", "--cpus", "0.2") for number in range(3)]
    for job in jobs:
        cluster.await_state(job, "RUNNING")
    line = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_line.py")
    with Pane(cluster) as pane:
        pane.type(f"{line} 0.1 devrun top far-away; echo ended with $?")
        pane.press(ENTER)
        pane.await_text(rf"^\W*{jobs[0]} .*RUNNING")
        pane.press("Down", "PageDown", "Up", "Home", "End")  # sequences are keys here, too
        pane.type("xy")
        pane.await_text(f"Cancel job {jobs[0]}\\?")
        pane.press("n")
        pane.await_no_text("Cancel job")
        pane.press("x")
        pane.await_text(f"Cancel job {jobs[0]}\\?")
        pane.press("y")
        pane.await_text(rf"^\W*{jobs[0]} .*CANCELLED")
        assert [cluster.show(job)["state"] for job in jobs[1:]] == ["RUNNING"] * 2
        pane.press("Home", "x", "C-c")  # the answer to what was asked of the terminal is nobody else's
        pane.await_text("^ended with 0$")
        assert not pane.shows(r"\[0n"), pane.text()
    cluster.devrun("cancel", *map(str, jobs))


def draw_anew(pane):
    """Writes over the screen, as other programs do, and has the monitor put it right."""
    with open(pane.tmux("display-message", "-p", "#{pane_tty}").strip(), "w", encoding="ascii") as terminal:
        terminal.write("\x1b[12;5Hsomebody-elses-words\x1b[1;1H")
    pane.await_text("somebody-elses-words")
    pane.press("C-l")
    pane.await_no_text("somebody-elses-words")


def test_ctrl_z_stops_it_and_ctrl_l_draws_everything_anew(cluster):
    with Pane(cluster) as pane:
        before = pane.terminal_settings("before")
        pane.start_top()
        pane.press("C-z")
        pane.await_text("Stopped")
        assert pane.alternate() == ["0", "1"], "a stopped monitor gives the screen back"
        assert pane.terminal_settings("after") == before
        pane.type("fg")
        pane.press(ENTER)
        pane.await_text(r"^ devrun +jobs .*\d+/\d+ nodes")
        draw_anew(pane)
        pane.await_text(r"^ devrun +jobs .*\d+/\d+ nodes")
        pane.press("q")
        wait_until(lambda: pane.alternate() == ["0", "1"], "the end of the monitor")


# A crew of three code points, a heart with a selector, a thumb with a tone of skin; a flag; Thai, Devanagari, Hangul in
# parts; two marks on one letter; Hebrew, a private character, one that is newer than most tables, marks of direction.
WORDS = ["\U0001f469\u200d\U0001f680\u2764\ufe0f\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea",
         "\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48", "\u0915\u094d\u0937\u093f", "\u1112\u1161\u11ab\u1100\u1173\u11af",
         "e\u0301\u0323", "\u674e\u660e", "\u05e9\u05dc\u05d5\u05dd", "\ue0b0", "\U0001fae8", "\u202eleft\u200b"]


def test_no_cell_stays_of_any_script(cluster):
    text = " ".join(WORDS)
    jobs = [cluster.submit(f": '{word}' END; printf '%s\\n' '{text}' '{text * 4}' '{text * 9}'; exec sleep 1000",
                           "--cpus", "0.2") for word in WORDS[:4]]
    for job in jobs:
        cluster.await_state(job, "RUNNING")

    def rows(pane):
        """Without ages, which move on, and loads, which come and change."""
        moving = r"\b[\dm]+s\b|\b\d+\.\d\b|\b\d+ [KMG]?B\b"
        return [re.sub(" +", " ", re.sub(moving, "", line)) for line in pane.text().split("\n")[1:]]

    def settled(pane):
        """What is shown once nothing that was pressed before is under way any more."""
        shown = []

        def twice():
            shown.append(rows(pane))
            time.sleep(0.3)
            return rows(pane) == shown[-1]
        wait_until(twice, "a screen that rests")
        return shown[-1]

    def is_as_if_drawn_anew(pane):
        before = settled(pane)
        draw_anew(pane)
        after = settled(pane)
        assert after == before, "\n".join([*before, "drawn anew:", *after])

    with Pane(cluster, 120, 24) as pane:
        pane.start_top()
        for job in jobs:
            pane.await_text(rf"^\W*{job} .*END")
        pane.press("j", "j", "k")
        is_as_if_drawn_anew(pane)
        select_alone(pane, "END")
        is_as_if_drawn_anew(pane)
        for _ in range(2):
            pane.press("l")
            pane.await_text("following")
            pane.await_text("left")
            is_as_if_drawn_anew(pane)
            pane.press("w")
            pane.await_text(r"(left.*\n.*){4}")
            is_as_if_drawn_anew(pane)
            pane.press("w", ESCAPE, "j")
            pane.await_text(r"^ devrun +jobs ")
        is_as_if_drawn_anew(pane)
        pane.quit()
    cluster.devrun("cancel", *map(str, jobs))


def test_keys_on_a_rank_go_to_that_rank(cluster):
    gang = cluster.submit("exec sleep 1000 # two-ranks", "--nodes", "2")
    cluster.await_state(gang, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "two-ranks")
        pane.press("z")
        pane.await_text(rf"{gang}\.1")
        pane.press("j", "j", "s")
        pane.await_text(rf"devrun exec -t --rank 1 {gang}")
        pane.await_text(r"[$#] ?$")
        pane.type("echo rank-is-$DEVRUN_RANK")
        pane.press(ENTER)
        pane.await_text("^rank-is-1")
        pane.type("exit")
        pane.press(ENTER)
        pane.await_text("any key goes back")
        pane.press("j")
        pane.await_text(r"^ devrun +jobs")
        pane.type(f":cancel {gang}.1")
        pane.press(ENTER)
        pane.await_text("not about ranks")
        pane.quit()
    cluster.devrun("cancel", str(gang))


def test_cancel_by_name_is_about_that_task_alone(cluster):
    array = cluster.submit("exec sleep 1000 # three-tasks", "--array", "0-2", "--cpus", "0.3")
    wait_until(lambda: cluster.show(array)["tasks"]["running"] == 3, "three tasks")
    with Pane(cluster) as pane:
        pane.start_top()
        pane.type(f":cancel {array}_1")
        pane.press(ENTER)
        pane.await_text(rf"Cancel task {array}_1\?")
        pane.press("y")
        wait_until(lambda: cluster.show(array)["tasks"]["running"] == 2, "one task less")
        pane.quit()
    assert cluster.show(array)["state"] == "RUNNING"
    cluster.devrun("cancel", str(array))


DIRECT = r"""devrun-direct|a terminal whose colours are red, green and blue,
  RGB, colors#0x1000000, pairs#0x7FFF,
  setaf=\E[%?%p1%{8}%<%t3%p1%d%e38;2;%p1%{65536}%/%d;%p1%{256}%/%{255}%&%d;%p1%{255}%&%d%;m,
  setab=\E[%?%p1%{8}%<%t4%p1%d%e48;2;%p1%{65536}%/%d;%p1%{256}%/%{255}%&%d;%p1%{255}%&%d%;m,
  initc@, ccc@, use=xterm-256color,
"""


def test_true_colour_where_the_terminal_has_it(cluster):
    source = os.path.join(cluster.home, "direct.ti")
    write(source, DIRECT)
    subprocess.run(["tic", "-x", "-o", os.path.join(cluster.home, "terminfo"), source], check=True)
    with Pane(cluster) as pane:
        pane.type(f"export TERMINFO={cluster.home}/terminfo TERM=devrun-direct")
        pane.press(ENTER)
        pane.start_top()
        title = pane.tmux("capture-pane", "-p", "-e").splitlines()[0]
        # 73 of the 256 is 5fafaf, 16 is black.
        assert "48;2;95;175;175" in title, title
        pane.quit()
