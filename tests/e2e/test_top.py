"""`devrun top` in a real terminal: tmux is the terminal, its panes are what a user sees."""
import itertools
import os
import re
import shutil
import signal
import subprocess

from harness import Skip, own_cluster, wait_until

ESCAPE, ENTER = "Escape", "Enter"
NUMBERS = itertools.count()  # a tmux server that ends may still hold its name


class Pane:
    """A shell in a terminal of a tmux server of our own; `with` ends the server whatever happens."""

    def __init__(self, cluster, columns=100, rows=30):
        if not shutil.which("tmux"):
            raise Skip("tmux is not installed")
        self.cluster, self.server = cluster, f"devrun-test-{os.getpid()}-{next(NUMBERS)}"
        self.size = (columns, rows)

    def environment(self):
        path = self.cluster.bin + ":" + os.environ["PATH"]
        environment = self.cluster.environment(PATH=path, LANG="C.UTF-8", TMUX_TMPDIR=self.cluster.home)
        environment.pop("TMUX", None)
        return environment

    def tmux(self, *words):
        environment = self.environment()
        done = subprocess.run(["tmux", "-L", self.server, "-u", "-f", "/dev/null", *words], env=environment, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def __enter__(self):
        columns, rows = map(str, self.size)
        try:
            self.tmux("new-session", "-d", "-x", columns, "-y", rows, "exec env 'PS1=$ ' bash --noprofile --norc")
            self.await_text(r"^\$")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["tmux", "-L", self.server, "kill-server"], env=self.environment(),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False)

    def press(self, *keys):
        for key in keys:
            self.tmux("send-keys", key)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def text(self):
        return self.tmux("capture-pane", "-p")

    def shows(self, pattern):
        return re.search(pattern, self.text(), re.MULTILINE)

    def await_text(self, pattern):
        try:
            return wait_until(lambda: self.shows(pattern), f"{pattern!r} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}, which is\n{self.text()}") from None

    def await_no_text(self, pattern):
        try:
            return wait_until(lambda: not self.shows(pattern), f"no {pattern!r} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}, which is\n{self.text()}") from None

    def alternate(self):
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split()

    def terminal_settings(self, name):
        """What `stty -a` says in the pane, without the size."""
        path = os.path.join(self.cluster.home, name)
        self.type(f"stty -a > {path}.part; mv {path}.part {path}")
        self.press(ENTER)
        wait_until(lambda: os.path.exists(path), "stty")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        os.remove(path)
        return re.sub(r"rows \d+; columns \d+;", "", text)

    def start_top(self, *options):
        """Opens the monitor; returns its pid."""
        self.type("devrun top " + " ".join(options) + "; echo ended with $?")
        self.press(ENTER)
        self.await_text(r"^ devrun +jobs .*\d+/\d+ nodes")
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", shell], stdout=subprocess.PIPE, text=True, check=True)
        return int(children.stdout.split()[0])

    def quit(self, status=0):
        self.press("q")
        self.await_text(rf"^ended with {status}$")


def test_jobs_appear_run_and_end_as_they_do(cluster):
    with Pane(cluster) as pane:
        pane.start_top()
        job = cluster.submit("exec sleep 1000 # seen-live")
        pane.await_text(rf"^\W*{job} .*RUNNING .*node\d.*seen-live")
        cluster.devrun("cancel", str(job))
        pane.await_text(rf"^\W*{job} .*CANCELLED")
        pane.quit()


def test_the_filter_shows_what_matches_alone(cluster):
    with Pane(cluster) as pane:
        jobs = [cluster.submit(f"exec sleep 1000 # {word}") for word in ("apples", "pears")]
        pane.start_top()
        pane.await_text("# apples")
        pane.await_text("# pears")
        pane.press("/")
        pane.type("pears")
        pane.await_text("^ /pears")
        pane.await_no_text("# apples")
        pane.press(ENTER)
        pane.await_text(rf"^\W*{jobs[1]} .*# pears")
        pane.press(ESCAPE)
        pane.await_text("# apples")
        pane.press("/")
        pane.type("no-such-job-anywhere")
        pane.await_text("No job matches")
        pane.press(ESCAPE)
        pane.await_text("# apples")
        pane.quit()


def select_alone(pane, word):
    """The one job that matches a word, selected."""
    pane.press("/")
    pane.type(word)
    pane.press(ENTER)
    pane.await_text("Esc clears it")


def test_a_log_is_followed(cluster):
    job = cluster.submit(
        "echo first-line; i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo tick-$i; sleep 0.1; done # logged")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "logged")
        pane.press("l")
        pane.await_text(r"first-line")
        pane.await_text(rf"^ devrun +log of {job}\b.*following|following")
        seen = int(pane.await_text(r"tick-(\d+)$")[1])
        pane.await_text(rf"tick-{seen + 5}$")
        pane.await_text("tick-40$")
        pane.await_no_text("first-line")
        pane.press("g")
        pane.await_text("first-line")
        pane.press("G")
        pane.await_text("following")
        pane.await_no_text("first-line")
        pane.press(ESCAPE)
        pane.await_text(r"^ devrun +jobs")
        pane.quit()


def test_the_log_of_an_ended_job_can_be_read(cluster):
    job = cluster.submit("echo its-last-word # ended-before")
    cluster.await_end(job)
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "ended-before")
        pane.press("l")
        pane.await_text("^.?its-last-word")
        pane.await_text("ended")
        pane.press(ESCAPE, ENTER)
        pane.await_text(rf"^ devrun +job {job}\b")
        pane.await_text("SUCCEEDED")
        pane.press(ESCAPE)
        pane.await_text(r"^ devrun +jobs")
        pane.quit()


def test_attaching_is_left_without_harm(cluster):
    job = cluster.submit("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo tick-$i; sleep 0.1; done # watched")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "watched")
        for leave in ("C-c", "C-\\"):
            pane.press("a")
            pane.await_text(f"watching job {job}: Ctrl-C ends that alone")
            pane.await_text(r"^tick-\d+$")
            pane.press(leave)
            pane.await_text("any key goes back")
            pane.press("d")
            pane.await_text(rf"^ devrun +jobs")
            pane.await_text(rf"^\W*{job} .*RUNNING")
        pane.quit()
        # By hand it is the job's, and that is said.
        pane.type(f"clear; devrun attach {job}")
        pane.press(ENTER)
        pane.await_text(f"attached to job {job}: Ctrl-C goes to it, and twice within 2 seconds cancels it")
        assert cluster.show(job)["state"] == "RUNNING"
        cluster.devrun("cancel", str(job))
        pane.await_text(r"^\$ ?$")


def test_a_terminal_that_cannot_show_it_is_told_so(cluster):
    with Pane(cluster) as pane:
        pane.type("TERM=dumb devrun top; echo ended with $?")
        pane.press(ENTER)
        pane.await_text("'dumb' cannot show a monitor")
        pane.await_text("^ended with 125$")


def test_cancel_asks_first(cluster):
    job = cluster.submit("exec sleep 1000 # doomed")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top()
        select_alone(pane, "doomed")
        pane.press("x")
        pane.await_text(f"Cancel job {job}\\?")
        pane.press("n")
        pane.await_no_text("Cancel job")
        assert cluster.show(job)["state"] == "RUNNING"
        pane.press("x")
        pane.await_text(f"Cancel job {job}\\?")
        pane.press("y")
        pane.await_text(rf"^\W*{job} .*CANCELLED")
        assert cluster.await_end(job)["state"] == "CANCELLED"
        pane.quit()


def test_a_gang_and_an_array_are_one_line_each(cluster):
    gang = cluster.submit("echo from-rank-$DEVRUN_RANK; exec sleep 1000 # my-gang", "--nodes", "2")
    cluster.await_state(gang, "RUNNING")
    array = cluster.submit("exec sleep 1000 # my-array", "--array", "0-9%1", "--cpus", "0.5")
    with Pane(cluster) as pane:
        pane.start_top()
        pane.await_text(rf"^\W*{gang}x2 +RUNNING .*node[1-4],n")
        pane.await_text(rf"^\W*{array}\[10\] +RUNNING")
        select_alone(pane, "my-gang")
        pane.press("l")
        pane.await_text("from-rank-0")
        pane.press(ESCAPE, ENTER)
        pane.await_text(rf"^ devrun +job {gang}\b")
        pane.await_text(rf"^ +{gang}\.1 +node[1-4] +RUNNING")
        pane.quit()


def test_an_open_job_shows_its_variables_and_its_output_as_it_grows(cluster):
    job = cluster.submit("i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo 0123456789; sleep 0.1; done # growing",
                         "-e", "MY_OWN_NAME=7")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster, 160, 40) as pane:
        pane.start_top()
        select_alone(pane, "growing")
        pane.press(ENTER)
        pane.await_text(r"environment +[1-9]\d* variables: ")
        first = int(pane.await_text(r"([1-9]\d*) B output")[1])
        wait_until(lambda: int(pane.await_text(r"(\d+) B output")[1]) > first, "more output")
        pane.press(ESCAPE)
        pane.quit()
    cluster.devrun("cancel", str(job))


def test_an_array_shows_where_its_tasks_run(cluster):
    array = cluster.submit("exec sleep 1000 # placed-array", "--array", "0-9%2", "--cpus", "0.5")
    with Pane(cluster, 160, 30) as pane:
        pane.start_top()
        pane.await_text(rf"^\W*{array}\[10\] +RUNNING .*node\d")
        pane.quit()
    cluster.devrun("cancel", str(array))


def test_why_a_job_waits_is_on_its_line(cluster):
    job = cluster.submit("echo never # too-wide", "--nodes", "4")
    with Pane(cluster, 160, 30) as pane:
        pane.start_top()
        pane.await_text(rf"^\W*{job}x4 +QUEUED .*needs 4 nodes")
        pane.quit()


def test_readonly_cancels_nothing(cluster):
    job = cluster.submit("exec sleep 1000 # untouched")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top("--readonly")
        select_alone(pane, "untouched")
        pane.press("x")
        pane.await_text("read-only")
        pane.press("y")
        pane.quit()
    assert cluster.show(job)["state"] == "RUNNING"


def test_help_lists_the_keys_and_any_key_closes_it(cluster):
    with Pane(cluster) as pane:
        pane.start_top()
        pane.press("?")
        pane.await_text("Any key closes this")
        assert pane.shows("cancel it") and pane.shows("filter"), pane.text()
        pane.press("j")
        pane.await_no_text("Any key closes this")
        pane.quit()


def test_the_screen_follows_the_size_of_the_terminal(cluster):
    job = cluster.submit("exec sleep 1000 # resized " + "long " * 30 + "end-of-line")
    with Pane(cluster, 200, 40) as pane:
        pane.start_top()
        pane.await_text(rf"^\W*{job} .*RUNNING")
        for columns, rows in ((60, 12), (20, 5), (2, 1), (160, 50), (80, 24)):
            pane.tmux("resize-window", "-x", str(columns), "-y", str(rows))

            def fits():
                lines = pane.text().split("\n")[:rows]
                return columns < 60 or (re.search(r"\d+/\d+ nodes *$", lines[0]) and "q quit" in lines[-1] and
                                        len(lines[0].rstrip()) >= columns - 2)
            wait_until(fits, f"a screen of {columns} x {rows}, not\n{pane.text()}")
        pane.await_text(rf"^\W*{job} .*RUNNING")
        pane.quit()


def test_q_gives_the_terminal_back_as_it_was(cluster):
    for keys in (("q",), ("C-c",), ("l", "q"), ("/", "C-c"), (ENTER, "?", "C-c")):
        with Pane(cluster) as pane:
            pane.type("echo what was there")
            pane.press(ENTER)
            before = pane.terminal_settings("before")
            pane.start_top()
            assert pane.alternate()[0] == "1", "the monitor has the alternate screen"
            pane.press(*keys)
            pane.await_text(r"^ended with 0$")
            pane.await_text("^what was there$")
            assert pane.alternate() == ["0", "1"], "the screen is left, the cursor is back"
            assert pane.terminal_settings("after") == before, keys


def test_term_gives_the_terminal_back(cluster):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        with Pane(cluster) as pane:
            before = pane.terminal_settings("before")
            pid = pane.start_top()
            os.kill(pid, number)
            pane.await_text(rf"^ended with (0|{128 + number})$")
            assert pane.alternate() == ["0", "1"], number
            assert pane.terminal_settings("after") == before, number


def test_stopping_it_and_going_on_works(cluster):
    with Pane(cluster) as pane:
        before = pane.terminal_settings("before")
        pid = pane.start_top()
        os.kill(pid, signal.SIGTSTP)
        pane.await_text("Stopped")
        assert pane.alternate() == ["0", "1"], "a stopped monitor gives the screen back"
        assert pane.terminal_settings("after") == before
        pane.type("fg")
        pane.press(ENTER)
        pane.await_text(r"^ devrun +jobs .*\d+/\d+ nodes")
        pane.press("q")
        wait_until(lambda: pane.alternate() == ["0", "1"], "the end of the monitor")


def test_without_a_terminal_it_says_so(cluster):
    done = cluster.devrun("top")
    assert done.status in (2, 125) and done.out == b"" and done.err.startswith("devrun: ") and "Try: " in done.err, done


@own_cluster(1)
def test_a_killed_controller_is_told_and_top_goes_on_when_it_is_back(cluster):
    job = cluster.submit("exec sleep 1000 # before")
    cluster.await_state(job, "RUNNING")
    with Pane(cluster) as pane:
        pane.start_top()
        pane.await_text(rf"^\W*{job} .*RUNNING")
        cluster.kill("controller")
        pane.await_text("controller away")
        pane.await_text(rf"^\W*{job} ")
        cluster.mend()
        pane.await_text(r"^ devrun +jobs .*\d+/\d+ nodes")
        pane.await_no_text("controller away")
        cluster.devrun("cancel", str(job))
        pane.await_text(rf"^\W*{job} .*CANCELLED")
        later = cluster.submit("exec sleep 1000 # after")
        pane.await_text(rf"^\W*{later} .*RUNNING .*# after")
        pane.quit()
