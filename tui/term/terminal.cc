#include "tui/term/terminal.h"

#include <curses.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "common/base/base64.h"

namespace devrun::tui {

namespace {

// What a dying process needs to put the terminal back with async-signal-safe calls alone.
termios g_before{};
// Mouse and paste off, arrows and keypad as they were, the other screen, the title, the cursor, colours.
constexpr char kLeave[] =
    "\x1b[?1000;1002;1003;1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l\x1b[23;0;0t\x1b[?25h\x1b[0m\r";

void restore_and_die(int signal_number) {
  ::tcsetattr(STDIN_FILENO, TCSANOW, &g_before);
  [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, kLeave, sizeof kLeave - 1);
  // A shell whose command died of an interrupt drops the rest of its line; this one has ended as asked.
  if (signal_number == SIGINT) ::_exit(128 + SIGINT);
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

constexpr std::array kDeadly{SIGTERM, SIGINT, SIGHUP,  SIGQUIT, SIGSEGV, SIGABRT, SIGBUS, SIGFPE,
                             SIGILL,  SIGSYS, SIGTRAP, SIGXCPU, SIGUSR1, SIGUSR2, SIGALRM};

// For the handler of SIGTSTP, which may run in any thread at any moment.
int g_stop_asked = -1;

void ask_to_stop(int) {
  const int error = errno;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(g_stop_asked, &one, sizeof one);
  errno = error;
}

// What ncurses has no names for: where pasted text begins and ends, and the answer to "is all well?".
constexpr int kPasteBegins = KEY_MAX + 1, kPasteEnds = KEY_MAX + 2, kAllIsWell = KEY_MAX + 3;
constexpr std::string_view kPasteOn = "\x1b[?2004h", kPasteOff = "\x1b[?2004l",
                           kIsAllWell = "\x1b[5n";
constexpr int kAnswerWaitMs = 10;
constexpr int kAnswerWaits = 50;

void send(std::string_view sequence) {
  [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, sequence.data(), sequence.size());
}

// What ncurses and the canvas do not agree on would move the rest of the row: the C library that ncurses asks may be of
// another year than our table.
std::string agreed(const std::string& glyph, int columns) {
  if (static_cast<unsigned char>(glyph[0]) < 0x80) return glyph;
  int wide = 0;
  for (std::string_view rest = glyph; !rest.empty();) {
    const int one = ::wcwidth(static_cast<wchar_t>(take_code_point(rest)));
    wide = one < 0 ? -1 : wide + one;
    if (one < 0) break;
  }
  return wide == columns ? glyph : std::string(static_cast<size_t>(columns), '?');
}

// Scripts that every terminal shows as wide as we count. Of the rest some are of another opinion.
bool is_sure(const std::string& glyph) {
  std::string_view rest = glyph;
  const char32_t c = take_code_point(rest);
  const auto in = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  return rest.empty() && (c < 0x300 || in(0x370, 0x52f) || in(0x2010, 0x2027) ||
                          in(0x2190, 0x21ff) || in(0x2500, 0x25ff) || in(0x3001, 0x9fff) ||
                          in(0xac00, 0xd7a3) || in(0xff01, 0xff60) || c == 0xfffd);
}

int64_t now_ms() {
  using std::chrono::steady_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             steady_clock::now().time_since_epoch())
      .count();
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
    case KEY_BTAB:
      return Special::kBackTab;
    default:
      return Special::kNone;
  }
}

// Whether the user's locale is said to be C: by the first of these that says anything, as everywhere.
bool locale_is_plain() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    return std::string_view(value) == "C" || std::string_view(value) == "POSIX";
  }
  return false;
}

// A wheel's and a button's presses; nothing for the rest.
std::optional<Event> mouse_event() {
  MEVENT event{};
  if (getmouse(&event) != OK) return std::nullopt;
  Mouse out{event.y, event.x, Mouse::What::kPress};
  if ((event.bstate & BUTTON4_PRESSED) != 0) {
    out.what = Mouse::What::kWheelUp;
  } else if ((event.bstate & BUTTON5_PRESSED) != 0) {
    out.what = Mouse::What::kWheelDown;
  } else if ((event.bstate & BUTTON1_PRESSED) == 0) {
    return std::nullopt;
  }
  return out;
}

Event typed(char32_t c) {
  if (c == U'\t') return Key{0, Special::kTab};
  if (c == U'\x1b') return Key{0, Special::kEscape};
  return Key{c, Special::kNone};
}

// What ncurses took for an Escape and keys, since it came in pieces.
int code_of(const Sequence& sequence) {
  if (sequence.words == "200~") return kPasteBegins;
  if (sequence.words == "201~") return kPasteEnds;
  return sequence.words == "0n" ? kAllIsWell : 0;
}

}  // namespace

Result<std::unique_ptr<Terminal>> Terminal::open(const TerminalOptions& options) {
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
  if (const char* moves = ::tigetstr("cup");
      moves == nullptr || moves == reinterpret_cast<char*>(-1)) {
    endwin();
    return Error{Code::kUnsupported,
                 "a terminal of type '" + std::string(name == nullptr ? "" : name) +
                     "' cannot show a monitor: it cannot write in a place of its own",
                 "devrun ps --watch; or TERM=xterm devrun top, if it is one"};
  }
  auto terminal = std::unique_ptr<Terminal>(new Terminal());
  terminal->ascii_only_ = !utf8 || locale_is_plain() || options.ascii;
  if (has_colors() && std::getenv("NO_COLOR") == nullptr) {
    start_color();
    const bool many = COLORS >= 256 && COLOR_PAIRS > static_cast<int>(kStyles);
    terminal->colours_ = many ? Colours::kMany : Colours::kFew;
    make_palette(terminal->colours_,
                 options.light || background_is_light(std::getenv("COLORFGBG")));
  }
  if (options.mouse) {
    mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
    mouseinterval(0);  // presses alone: a click would be waited for
  }
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
  define_key("\x1b[200~", kPasteBegins);
  define_key("\x1b[201~", kPasteEnds);
  define_key("\x1b[0n", kAllIsWell);
  send(kPasteOn);
  g_stop_asked = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  take_signals();
}

void Terminal::take_signals() {
  for (const int signal_number : kDeadly) ::signal(signal_number, restore_and_die);
  ::signal(SIGTSTP, ask_to_stop);
}

Terminal::~Terminal() {
  for (const int signal_number : kDeadly) ::signal(signal_number, SIG_DFL);
  ::signal(SIGTSTP, SIG_DFL);
  forget_answers();
  send(kPasteOff);
  endwin();
  ::close(std::exchange(g_stop_asked, -1));
}

// An answer that is still on its way would be read by whoever has the terminal next.
void Terminal::forget_answers() {
  for (int i = 0; i < kAnswerWaits && answered_ < asked_; ++i) {
    pollfd keys{STDIN_FILENO, POLLIN, 0};
    ::poll(&keys, 1, kAnswerWaitMs);
    while (next_event()) {
    }
  }
  asked_ = answered_ = 0;
}

// What the other program is sent is its own affair: signals of the keyboard go to both.
void Terminal::give_away() {
  for (const int signal_number : kDeadly) ::signal(signal_number, SIG_DFL);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  ::signal(SIGTSTP, SIG_DFL);
  forget_answers();
  send(kPasteOff);
  endwin();
}

void Terminal::take_back() {
  take_signals();
  send(kPasteOn);
  redraw();
  refresh();
}

void Terminal::redraw() {
  clearok(curscr, TRUE);
}

void Terminal::ask_when_shown() {
  ++asked_;
  send(kIsAllWell);
}

void Terminal::copy(const std::string& text) {
  std::string sequence = "\x1b]52;c;" + base64(text) + "\a";
  if (std::getenv("TMUX") != nullptr) {
    // tmux passes on what is wrapped so, with each escape doubled.
    std::string doubled;
    for (const char c : sequence)
      doubled += c == '\x1b' ? std::string("\x1b\x1b") : std::string(1, c);
    sequence += "\x1bPtmux;" + doubled + "\x1b\\";
  }
  send(sequence);
}

int Terminal::stop_descriptor() const {
  return g_stop_asked;
}

bool Terminal::stop_if_asked() {
  uint64_t asked = 0;
  if (::read(g_stop_asked, &asked, sizeof asked) != sizeof asked) return false;
  stop();
  return true;
}

void Terminal::stop() {
  forget_answers();
  send(kPasteOff);
  endwin();
  ::signal(SIGTSTP, SIG_DFL);
  ::raise(SIGTSTP);  // returns when somebody lets the process go on, or at once where nobody could
  ::signal(SIGTSTP, ask_to_stop);
  send(kPasteOn);
  redraw();
  refresh();
}

std::optional<Event> Terminal::special_event(int code) {
  if (code == KEY_RESIZE) return size();
  if (code == kPasteBegins) pasting_ = true;
  if (code == kPasteEnds && pasting_) return end_paste();
  if (code == kAllIsWell && ++answered_ == asked_) return QuestionShown{};
  if (pasting_) return Key{};
  if (code == KEY_MOUSE) return mouse_event().value_or(Event(Key{}));
  return Key{0, special_of(code)};
}

Event Terminal::end_paste() {
  pasting_ = false;
  return Pasted{std::exchange(pasted_, {})};
}

std::optional<Event> Terminal::end_silent_paste() {
  if (!pasting_ || std::exchange(heard_of_paste_, false)) return std::nullopt;
  return end_paste();
}

std::optional<Event> Terminal::next_event() {
  for (;;) {
    while (const auto item = sequences_.next()) {
      if (const auto* c = std::get_if<char32_t>(&*item)) return typed(*c);
      const auto* code = std::get_if<KeyCode>(&*item);
      const int known = code != nullptr ? code->code : code_of(std::get<Sequence>(*item));
      if (known != 0) return special_event(known);
    }
    wint_t code = 0;
    const int kind = get_wch(&code);
    if (kind == ERR) {
      sequences_.nothing_more();
      const auto item = sequences_.next();
      if (!item) return std::nullopt;
      return typed(std::get<char32_t>(*item));
    }
    if (kind == KEY_CODE_YES) {
      sequences_.take(KeyCode{static_cast<int>(code)});
    } else if (pasting_) {
      heard_of_paste_ = true;
      if (pasted_.size() < kPasteBytesMax) append_code_point(pasted_, static_cast<char32_t>(code));
      return Key{};
    } else {
      sequences_.take(static_cast<char32_t>(code), now_ms());
    }
  }
}

Resized Terminal::size() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return {LINES, COLS};
  return {size.ws_row, size.ws_col};
}

void Terminal::paint(Canvas canvas) {
  if (LINES != canvas.rows() || COLS != canvas.columns()) {
    resizeterm(canvas.rows(), canvas.columns());
    shown_.reset();
  }
  const bool all =
      !shown_ || shown_->rows() != canvas.rows() || shown_->columns() != canvas.columns();
  if (all) unsure_rows_.assign(static_cast<size_t>(canvas.rows()), false);
  for (int row = 0; row < canvas.rows(); ++row) {
    if (all || !canvas.same_row(*shown_, row)) paint_row(canvas, row);
  }
  refresh();
  shown_ = std::move(canvas);
}

void Terminal::paint_row(const Canvas& canvas, int row) {
  bool sure = true;
  for (int x = 0; x < canvas.columns(); ++x) {
    const Cell& cell = canvas.at(row, x);
    if (cell.glyph.empty()) continue;  // the right half of a wide glyph
    const bool wide = x + 1 < canvas.columns() && canvas.at(row, x + 1).glyph.empty();
    sure = sure && is_sure(cell.glyph);
    attrset(attributes(cell.style, colours_));
    const std::string text =
        ascii_only_ ? plain_ascii(cell.glyph) : agreed(cell.glyph, wide ? 2 : 1);
    mvaddstr(row, x, text.c_str());
  }
  // A terminal of another opinion has the row's end elsewhere: what is there now is written over as a whole.
  const auto index = static_cast<size_t>(row);
  if (!sure || unsure_rows_[index]) wredrawln(stdscr, row, 1);
  unsure_rows_[index] = !sure;
}

}  // namespace devrun::tui
