"""Terminals, by a real one: tmux shows what a person would see."""
import contextlib
import os
import re
import signal

import lab
from harness import wait_until


@contextlib.contextmanager
def pane(cluster, **more):
    tmux = lab.Tmux(cluster, **more)
    try:
        tmux.await_text("#")
        yield tmux
    finally:
        tmux.end()
        cluster.cancel_all()


def modes(tmux, name):
    """The terminal's modes as its shell has them."""
    tmux.line(f"stty -g > {name}; echo said$((3*7)){name[-1]}")  # not the words that are typed
    tmux.await_text(f"said21{name[-1]}")
    with open(name, encoding="ascii") as file:
        return file.read()


def running(cluster):
    """The newest job that runs."""
    return wait_until(lambda: [job["job"] for job in cluster.jobs() if job["state"] == "RUNNING"], "a job runs")[-1]


def run_in_lab(cluster, *words):
    return " ".join(["devrun", "--volume", lab.volume(cluster), "-C", "/work", *words])


def flag(tmux, name):
    return tmux.run("display-message", "-p", f"#{{{name}}}").strip()


def test_vim_edits_and_follows_the_size(cluster):
    lab.volume(cluster)
    with pane(cluster) as tmux:
        tmux.line(run_in_lab(cluster, "-- sh -c 'vim -u NONE -N note; cat note'"))
        tmux.await_text('"note" [New]')
        assert flag(tmux, "alternate_on") == "1"
        tmux.run("send-keys", "-l", "ihello from vim")
        tmux.keys("Escape")
        tmux.await_text("hello from vim")
        tmux.run("resize-window", "-x", "70", "-y", "20")
        def follows():  # the size is on its way as the keys are
            tmux.keys("Escape")
            tmux.run("send-keys", "-l", ":set lines? columns?")
            tmux.keys("Enter")
            with contextlib.suppress(AssertionError):
                wait_until(lambda: "columns=" in tmux.screen(), "vim answers", 1)
            return "lines=20" in tmux.screen() and "columns=70" in tmux.screen()
        wait_until(follows, "vim has the new size")
        tmux.keys("Enter")
        tmux.run("send-keys", "-l", ":wq")
        tmux.keys("Enter")
        tmux.await_text("hello from vim")
        wait_until(lambda: flag(tmux, "alternate_on") == "0", "the screen is back")


def test_less_htop_and_256_colours(cluster):
    lab.volume(cluster)
    with pane(cluster) as tmux:
        tmux.line(run_in_lab(cluster, "-- sh -c 'seq 1 500 | less'"))
        tmux.await_text("1\n2\n3")
        tmux.keys("G")
        tmux.await_text("500", "(END)")
        tmux.keys("q")
        tmux.await_shell()
        tmux.line("clear")
        tmux.line(run_in_lab(cluster, "-e TERM=screen-256color -- htop"))
        tmux.await_text("PID", "F10")
        tmux.keys("q")
        tmux.await_shell()
        tmux.line("clear")
        tmux.line(run_in_lab(cluster, "-- sh -c 'printf \"\\033[38;5;202mcoloured\\033[0m\\n\"'"))
        tmux.await_text("coloured")
        wait_until(lambda: "38;5;202m" in tmux.colours(), "the very colour")


def test_a_repl_and_a_debugger(cluster):
    lab.volume(cluster)
    with pane(cluster) as tmux:
        tmux.line(run_in_lab(cluster, "-- python3 -q"))
        tmux.await_text(">>>")
        tmux.line("6*7")
        tmux.await_text("42")
        tmux.line("print('x' * 5)")
        tmux.keys("Up", "Up", "Enter")  # history, by readline
        wait_until(lambda: len(re.findall(r"^42$", tmux.screen(), re.M)) == 2, "the line from the history")
        tmux.line("import time; time.sleep(1000)")
        wait_until(lambda: tmux.screen().rstrip().endswith("sleep(1000)"), "it sleeps")
        tmux.keys("C-c")
        tmux.await_text("KeyboardInterrupt")
        tmux.keys("C-d")
        tmux.await_shell()
        tmux.line("clear")
        script = "x = 5\\ny = x + 1\\nprint(\"sum\", y)\\n"
        tmux.line(run_in_lab(cluster, f"-- sh -c 'printf \"{script}\" > s.py; python3 -m pdb s.py'".replace('"sum"', '\\"sum\\"')))
        tmux.await_text("(Pdb)")
        tmux.line("n")
        tmux.line("n")
        tmux.line("p x + 100")
        tmux.await_text("105")
        tmux.line("q")
        tmux.await_shell()


def test_a_paste_is_bracketed(cluster):
    lab.volume(cluster)
    with pane(cluster) as tmux:
        tmux.line(run_in_lab(cluster, "-- sh -c 'printf \"\\033[?2004h\"; echo re$((1+1))ady; cat -v'"))
        tmux.await_text("re2ady")
        tmux.run("load-buffer", "-", text="pasted text")
        tmux.run("paste-buffer", "-p")
        tmux.keys("Enter")
        tmux.await_text("^[[200~pasted text^[[201~")
        tmux.keys("C-c")
        tmux.await_shell()


def test_the_terminal_comes_back_however_it_ends(cluster):
    lab.volume(cluster)
    full_screen = "-- sh -c 'printf \"\\033[?1049h\\033[?25l\\033[?2004h\\033[?1000h\"; echo full; exec sleep 1000'"
    with pane(cluster) as tmux:
        before = modes(tmux, os.path.join(cluster.home, "modes0"))

        def started():
            tmux.line(run_in_lab(cluster, full_screen))
            tmux.await_text("full")
            assert flag(tmux, "alternate_on") == "1" and flag(tmux, "cursor_flag") == "0"
            return running(cluster)

        def is_back(number):
            wait_until(lambda: flag(tmux, "alternate_on") == "0" and flag(tmux, "cursor_flag") == "1" and
                       flag(tmux, "mouse_any_flag") == "0", "the screen is the shell's again")
            tmux.await_shell()
            assert modes(tmux, os.path.join(cluster.home, f"modes{number}")) == before
            tmux.line("clear")

        # Detached by keys: the job goes on, and can be attached to again, elsewhere.
        job = started()
        tmux.keys("C-\\", "d")
        tmux.await_text(f"detached from job {job}")
        is_back(1)
        assert cluster.show(job)["state"] == "RUNNING"
        tmux.line(f"devrun attach --detach-keys ctrl-p,ctrl-q {job}")
        tmux.await_text("full")
        tmux.keys("C-p", "C-q")
        tmux.await_text(f"detached from job {job}")
        is_back(2)
        cluster.devrun("cancel", str(job))
        # The program is killed, and never could tidy up.
        job = started()
        cluster.devrun("cancel", "--signal", "KILL", str(job))
        is_back(3)
        # The CLI is told to end.
        job = started()
        client = [pid for pid in os.listdir("/proc") if pid.isdigit() and is_run(pid, "--volume", lab.NAME)]
        assert len(client) == 1, client
        os.kill(int(client[0]), signal.SIGTERM)  # for the job, by the contract
        wait_until(lambda: cluster.show(job)["state"] == "FAILED", "sleep ended by it")
        is_back(4)


def test_a_job_that_waits_has_the_keys_already(cluster):
    lab.volume(cluster)
    with pane(cluster) as tmux:
        before = modes(tmux, os.path.join(cluster.home, "modes0"))
        with cluster.filled():
            tmux.line(run_in_lab(cluster, "--cpus 1 -- sh -c 'read line; echo got-$line'"))
            tmux.await_text("waits:")
            job = max(entry["job"] for entry in cluster.jobs())
            tmux.keys("C-\\", "d")
            tmux.await_text(f"detached from job {job}")
            tmux.await_shell()
            assert modes(tmux, os.path.join(cluster.home, "modes1")) == before
            assert cluster.show(job)["state"] == "QUEUED"
            tmux.line("clear")
            tmux.line(f"devrun attach {job}")
            tmux.await_text("waits:")
            tmux.line("typed-ahead")
        tmux.await_text("got-typed-ahead")
        assert cluster.await_end(job)["state"] == "SUCCEEDED"
        tmux.await_shell()
        tmux.line("clear")
        with cluster.filled():
            tmux.line(run_in_lab(cluster, "--cpus 1 -- true"))
            tmux.await_text("waits:")
            job = max(entry["job"] for entry in cluster.jobs())
            tmux.keys("C-c")
            tmux.await_text(f"cancelling job {job}")
            tmux.await_shell()
            assert cluster.await_end(job)["state"] == "CANCELLED"


def is_run(pid, *words):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            line = file.read().split(b"\0")
        return os.path.basename(line[0]) == b"devrun" and [word.encode() for word in words] == line[1:1 + len(words)]
    return False


def test_attaching_makes_a_full_screen_program_draw_again(cluster):
    lab.volume(cluster)
    with pane(cluster) as tmux:
        tmux.line(run_in_lab(cluster, "-- vim -u NONE -N +'call setline(1, \"still here\")' page"))
        tmux.await_text("still here")
        job = running(cluster)
        tmux.keys("C-\\", "d")
        tmux.await_text(f"detached from job {job}")
        tmux.await_shell()
        tmux.line("clear")
        tmux.await_gone("detached")
        tmux.line(f"devrun attach --tail 0 {job}")
        tmux.await_text("still here")
        tmux.run("send-keys", "-l", ":q!")
        tmux.keys("Enter")
        wait_until(lambda: cluster.show(job)["state"] == "SUCCEEDED", "vim has heard it")


def test_tmux_inside_a_shell(cluster):
    name = lab.volume(cluster)
    with pane(cluster) as tmux:
        tmux.line(f"devrun shell {name}")
        tmux.await_text("~ #")
        tmux.line("export LANG=C.UTF-8; tmux -f /dev/null new-session 'echo inner-$TERM; exec sh'")
        tmux.await_text("inner-")
        tmux.line("echo two$((1+1))levels")
        tmux.await_text("two2levels")
        tmux.keys("C-b", "d")
        tmux.await_text("[detached")
        tmux.line("tmux kill-server; exit")
        tmux.await_shell()
        cluster.devrun("shell", "--stop", name)
