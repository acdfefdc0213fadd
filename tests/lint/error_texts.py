"""What docs/troubleshooting.md quotes of the programs' words must be what the programs say: a message that is changed is
changed there, too.

A quote is a line of a code block that is said by devrun, or what stands between backticks in the first column of a table. The
strings of the sources, cut at their placeholders, must cover nearly all of its letters: what they do not cover are names,
numbers and what the operating system said.
"""
import os
import re

FOLDERS = ("agent", "cli", "common", "controller", "tui", "deploy")
PAGE = "docs/troubleshooting.md"
FRAGMENT_MIN = 5
UNCOVERED_MAX = 0.4
LETTERS_MIN = 12  # that nobody says: names are shorter
OF_THE_SYSTEM = ("Permission denied", "Connection refused", "Socket closed", "No such file or directory")

LITERAL = re.compile(r'"((?:\\.|[^"\\\n])*)"')
PLACEHOLDER = re.compile(r"\{[^{}]*\}|\\[nt]")


def fragments(root):
    out = set()
    for top in FOLDERS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if not name.endswith((".cc", ".h")):
                    continue
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    text = file.read()
                # Adjacent literals are one.
                text = re.sub(r'"\s*\n\s*"', "", text)
                for literal in LITERAL.findall(text):
                    literal = literal.replace('\\"', '"').replace("\\\\", "\\")
                    out.update(part.strip() for part in PLACEHOLDER.split(literal))
    out.update(OF_THE_SYSTEM)
    return sorted((part for part in out if len(part) >= FRAGMENT_MIN), key=len, reverse=True)


def quotes(text):
    """(line number, quote) of the page."""
    in_code = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            in_code = not in_code
        elif in_code and (line.startswith("devrun: ") or re.match(r"job \d+ is ", line)):
            yield number, line.removeprefix("devrun: ")
        elif line.startswith("| `"):
            yield number, line[3:line.index("`", 3)]


def letters(text):
    return sum(c.isalpha() for c in text)


def uncovered(quote, parts):
    rest = quote
    for part in parts:
        if part in rest:
            rest = rest.replace(part, "\0")
    return rest


def problems(root):
    with open(os.path.join(root, PAGE), encoding="utf-8") as file:
        text = file.read()
    parts = fragments(root)
    for number, quote in quotes(text):
        rest = uncovered(quote, parts)
        whole = letters(quote)
        if letters(rest) >= LETTERS_MIN and letters(rest) > UNCOVERED_MAX * whole:
            said = re.sub("\0+", " … ", rest).strip()
            yield PAGE, number, f"no program says that: {said}"
