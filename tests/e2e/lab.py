"""A volume with some of this machine's own programs, for tests that need more than busybox: Python, vim, less, htop, tmux.
Made once for a cluster."""
import os
import shutil
import subprocess

import harness

PROGRAMS = ("/usr/bin/python3.11", "/usr/bin/vim", "/usr/bin/less", "/usr/bin/htop", "/usr/bin/tmux")
NAME = "lab"


def volume(cluster):
    """Its name."""
    if getattr(cluster, "lab", None):
        return cluster.lab
    missing = [program for program in PROGRAMS if not os.path.exists(program)]
    if missing:
        raise harness.Skip(f"not installed here: {' '.join(missing)}")
    root = os.path.join(cluster.home, "lab")
    harness.make_root(root)
    harness.add_programs(root, *[os.path.realpath(program) for program in PROGRAMS])
    for program in PROGRAMS:
        real = os.path.realpath(program)
        if real != program:
            os.symlink(real, root + program)
    os.symlink("python3.11", root + "/usr/bin/python3")
    ignored = shutil.ignore_patterns("test", "tests", "__pycache__", "idlelib", "tkinter", "lib2to3", "ensurepip",
                                     "config-*", "dist-packages", "pydoc_data", "*.a")
    shutil.copytree("/usr/lib/python3.11", root + "/usr/lib/python3.11", symlinks=True, ignore=ignored)
    extensions = [os.path.join("/usr/lib/python3.11/lib-dynload", name)
                  for name in os.listdir("/usr/lib/python3.11/lib-dynload")]
    harness.add_programs(root, *extensions)
    for entry in ("x/xterm", "x/xterm-256color", "s/screen", "s/screen-256color", "t/tmux", "t/tmux-256color", "d/dumb"):
        at = os.path.join(root, "lib/terminfo", entry)
        os.makedirs(os.path.dirname(at), exist_ok=True)
        shutil.copy(os.path.join("/lib/terminfo", entry), at)
    # Python's locale and tmux want UTF-8 without a locale archive.
    os.makedirs(root + "/usr/lib/locale", exist_ok=True)
    if os.path.isdir("/usr/lib/locale/C.utf8"):
        shutil.copytree("/usr/lib/locale/C.utf8", root + "/usr/lib/locale/C.utf8", dirs_exist_ok=True)
    done = cluster.devrun("volume", "create", NAME, "--from-dir", root)
    assert done.status == 0, done
    shutil.rmtree(root)
    cluster.lab = NAME
    return NAME


class Tmux:
    """A tmux of this machine, of its own socket, with one pane in which a shell runs."""

    def __init__(self, cluster, rows=30, columns=100):
        self.socket = os.path.join(cluster.home, f"tmux-{os.getpid()}-{id(self)}")
        environment = cluster.environment(TERM="xterm-256color", LANG="C.UTF-8",
                                          PATH=cluster.bin + ":" + os.environ["PATH"])
        environment.pop("TMUX", None)
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", env=environment)
        self.run("set-option", "-g", "default-terminal", "tmux-256color")

    def run(self, *words, env=None, text=None):
        done = subprocess.run(["tmux", "-S", self.socket, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              input=text, env=env, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout)
        return done.stdout

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def line(self, text):
        self.run("send-keys", "-l", text)
        self.keys("Enter")

    def screen(self):
        return self.run("capture-pane", "-p")

    def colours(self):
        return self.run("capture-pane", "-p", "-e")

    def await_text(self, *texts, limit_s=30):
        def there():
            screen = self.screen()
            return all(text in screen for text in texts)
        try:
            harness.wait_until(there, "", limit_s)
        except AssertionError:
            raise AssertionError(f"no {texts!r} in\n{self.screen()}") from None

    def await_shell(self):
        """The pane's own shell has the terminal again: what is typed before goes to whoever had it."""
        harness.wait_until(lambda: self.run("display-message", "-p", "#{pane_current_command}").strip() == "sh",
                           "the shell of the pane")

    def await_gone(self, text):
        harness.wait_until(lambda: text not in self.screen(), f"{text!r} still in\n{self.screen()}")

    def end(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], stderr=subprocess.DEVNULL, check=False)
