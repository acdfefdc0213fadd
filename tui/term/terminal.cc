#include "tui/term/terminal.h"

#include <curses.h>
#include <langinfo.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace devrun::tui {

namespace {

// What a dying process needs to put the terminal back with async-signal-safe calls alone.
termios g_before{};
constexpr char kLeave[] = "\x1b[?1049l\x1b[?25h\x1b[0m\r";

void restore_and_die(int signal_number) {
  ::tcsetattr(STDIN_FILENO, TCSANOW, &g_before);
  [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, kLeave, sizeof kLeave - 1);
  // A shell whose command died of an interrupt drops the rest of its line; this one has ended as asked.
  if (signal_number == SIGINT) ::_exit(128 + SIGINT);
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

constexpr std::array kDeadly{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGSEGV,
                             SIGABRT, SIGBUS, SIGFPE, SIGILL};

// For the handler of SIGTSTP, which may run in any thread at any moment.
int g_stop_asked = -1;

void ask_to_stop(int) {
  const int error = errno;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(g_stop_asked, &one, sizeof one);
  errno = error;
}

enum Pair : short { kGreenPair = 1, kRedPair, kCyanPair, kYellowPair, kTitlePair };

void make_pairs() {
  start_color();
  use_default_colors();
  init_pair(kGreenPair, COLOR_GREEN, -1);
  init_pair(kRedPair, COLOR_RED, -1);
  init_pair(kCyanPair, COLOR_CYAN, -1);
  init_pair(kYellowPair, COLOR_YELLOW, -1);
  init_pair(kTitlePair, COLOR_BLACK, COLOR_CYAN);
}

attr_t attributes(Style style, bool colours) {
  const auto pair = [colours](Pair chosen) {
    return colours ? static_cast<attr_t>(COLOR_PAIR(chosen)) : A_NORMAL;
  };
  switch (style) {
    case Style::kPlain:
      return A_NORMAL;
    case Style::kDim:
      return A_DIM;
    case Style::kBold:
      return A_BOLD;
    case Style::kTitle:
      return colours ? pair(kTitlePair) : A_REVERSE;
    case Style::kHead:
      return A_BOLD | A_UNDERLINE;
    case Style::kSelected:
      return A_REVERSE;
    case Style::kGood:
      return pair(kGreenPair);
    case Style::kBad:
      return pair(kRedPair) | A_BOLD;
    case Style::kBusy:
      return pair(kCyanPair);
    case Style::kWarn:
      return pair(kYellowPair) | A_BOLD;
  }
  return A_NORMAL;
}

Special special_of(int code) {
  switch (code) {
    case KEY_UP:
      return Special::kUp;
    case KEY_DOWN:
      return Special::kDown;
    case KEY_LEFT:
      return Special::kLeft;
    case KEY_RIGHT:
      return Special::kRight;
    case KEY_NPAGE:
      return Special::kPageDown;
    case KEY_PPAGE:
      return Special::kPageUp;
    case KEY_HOME:
      return Special::kHome;
    case KEY_END:
      return Special::kEnd;
    case KEY_ENTER:
      return Special::kEnter;
    case KEY_BACKSPACE:
      return Special::kBackspace;
    default:
      return Special::kNone;
  }
}

std::string plain_ascii(const std::string& glyph) {
  if (glyph == "…") return "~";
  return static_cast<unsigned char>(glyph[0]) < 0x80 ? glyph.substr(0, 1) : "?";
}

}  // namespace

Result<std::unique_ptr<Terminal>> Terminal::open() {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0 ||
      ::tcgetattr(STDIN_FILENO, &g_before) != 0) {
    return Error{Code::kUnsupported, "the monitor needs a terminal on stdin and stdout",
                 "devrun ps"};
  }
  const bool utf8 = std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr ||
                    std::setlocale(LC_CTYPE, "en_US.UTF-8") != nullptr;
  const char* name = std::getenv("TERM");
  if (newterm(nullptr, stdout, stdin) == nullptr) {
    return Error{
        Code::kUnsupported,
        "the terminal type '" + std::string(name == nullptr ? "" : name) + "' is not known",
        "TERM=xterm devrun top"};
  }
  auto terminal = std::unique_ptr<Terminal>(new Terminal());
  terminal->ascii_only_ = !utf8;
  terminal->colours_ = has_colors() && std::getenv("NO_COLOR") == nullptr;
  if (terminal->colours_) make_pairs();
  return terminal;
}

Terminal::Terminal() {
  set_escdelay(25);
  raw();  // Ctrl-C and Ctrl-\ are keys here
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  curs_set(0);
  for (const int signal_number : kDeadly) ::signal(signal_number, restore_and_die);
  g_stop_asked = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ::signal(SIGTSTP, ask_to_stop);
}

Terminal::~Terminal() {
  for (const int signal_number : kDeadly) ::signal(signal_number, SIG_DFL);
  ::signal(SIGTSTP, SIG_DFL);
  endwin();
  ::close(std::exchange(g_stop_asked, -1));
}

int Terminal::stop_descriptor() const {
  return g_stop_asked;
}

bool Terminal::stop_if_asked() {
  uint64_t asked = 0;
  if (::read(g_stop_asked, &asked, sizeof asked) != sizeof asked) return false;
  endwin();
  ::signal(SIGTSTP, SIG_DFL);
  ::raise(SIGTSTP);  // returns when somebody lets the process go on
  ::signal(SIGTSTP, ask_to_stop);
  clearok(curscr, TRUE);
  refresh();
  return true;
}

std::optional<Event> Terminal::next_event() {
  wint_t code = 0;
  const int kind = get_wch(&code);
  if (kind == ERR) return std::nullopt;
  if (kind == KEY_CODE_YES) {
    if (code == KEY_RESIZE) return size();
    const Special special = special_of(static_cast<int>(code));
    if (special == Special::kNone) return Key{};
    return Key{0, special};
  }
  return Key{static_cast<char32_t>(code), Special::kNone};
}

Resized Terminal::size() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return {LINES, COLS};
  return {size.ws_row, size.ws_col};
}

void Terminal::paint(const Canvas& canvas) {
  if (LINES != canvas.rows() || COLS != canvas.columns())
    resizeterm(canvas.rows(), canvas.columns());
  for (int row = 0; row < canvas.rows(); ++row) {
    move(row, 0);
    for (int x = 0; x < canvas.columns(); ++x) {
      const Cell& cell = canvas.at(row, x);
      if (cell.glyph.empty() && !ascii_only_) continue;  // the right half of a wide glyph
      attrset(static_cast<int>(attributes(cell.style, colours_)));
      const std::string glyph = cell.glyph.empty() ? " " : cell.glyph;
      mvaddstr(row, x, ascii_only_ ? plain_ascii(glyph).c_str() : glyph.c_str());
    }
  }
  refresh();
}

}  // namespace devrun::tui
