#!/usr/bin/python3
"""A program behind a slow line, as over ssh from far away: slow_line.py DELAY_S PROGRAM [WORD…]

Every byte from and to the program's terminal arrives DELAY_S later, in order. Ends as the program does.
"""
import collections
import fcntl
import os
import pty
import select
import sys
import termios
import time
import tty


def relay(terminal, delay_s):
    """Until the program has closed its terminal and all that it wrote has arrived."""
    to_program, to_us = collections.deque(), collections.deque()  # (due, bytes)
    open_ends = {0: to_program, terminal: to_us}
    targets = ((to_program, terminal), (to_us, 1))
    while terminal in open_ends or to_us:
        now = time.monotonic()
        for queue, target in targets:
            while queue and queue[0][0] <= now:
                os.write(target, queue.popleft()[1])
        due = [queue[0][0] for queue, _ in targets if queue]
        readable, _, _ = select.select(list(open_ends), [], [], max(0, min(due) - now) if due else 0.2)
        for end in readable:
            try:
                data = os.read(end, 65536)
            except OSError:  # the program has gone
                data = b""
            if data:
                open_ends[end].append((time.monotonic() + delay_s, data))
            else:
                del open_ends[end]


def main():
    delay_s, program = float(sys.argv[1]), sys.argv[2:]
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
        os.execvp(program[0], program)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        relay(terminal, delay_s)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


sys.exit(main())
