#include "cli/output/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/utf8.h"

namespace devrun::cli {

namespace {

// write(2) of everything; errno of the failure or 0.
int write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

std::string with_carriage_returns(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

}  // namespace

std::string format_words(std::string_view message, std::string_view hint) {
  std::string out = "devrun: ";
  for (const char c : message) {
    out += c;
    if (c == '\n') out += "devrun: ";
  }
  const bool one_line = message.find('\n') == std::string_view::npos;
  if (hint.empty()) return out;
  const bool asks = message.ends_with('?');
  const std::string_view between = !one_line ? "\ndevrun: " : asks ? " " : ". ";
  return fmt::format("{}{}Try: {}", out, between, hint);
}

namespace {

// Bytes at `at` of valid UTF-8 that a terminal may obey or that turn a line round: the controls U+0080 to U+009F, some of
// which begin sequences as ESC does, and those of writing directions. 0: none.
size_t obeyed(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) return 2;
  const bool turns = byte(0) == 0xe2 && ((byte(1) == 0x80 && byte(2) >= 0xaa && byte(2) <= 0xae) ||
                                         (byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9));
  return turns ? 3 : 0;
}

std::string escaped(std::string_view text, std::string_view kept) {
  const std::string valid = in_utf8(text);
  std::string out;
  for (size_t at = 0; at < valid.size();) {
    const size_t bytes = kept.find(valid[at]) == std::string_view::npos ? obeyed(valid, at) : 0;
    if (bytes == 0) {
      out += valid[at++];
      continue;
    }
    for (const size_t end = at + bytes; at < end; ++at) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(valid[at]));
    }
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, "\n\t");
}

std::string printable_path(std::string_view path) {
  return escaped(path, {});
}

Status Console::data(std::string_view text) const {
  const int failed = write_whole(out_, text);
  if (failed == 0) return ok();
  if (failed == EPIPE) return Error{Code::kCancelled, "nobody reads the output any more", {}};
  return errno_error("writing to stdout", failed);
}

void Console::say(std::string_view message, std::string_view hint) const {
  say_plain(format_words(printable(message), printable(hint)) + "\n");
}

void Console::say(const Error& error) const {
  say(error.message, error.hint);
}

void Console::say_plain(std::string_view text) const {
  write_whole(err_, raw_.load() ? with_carriage_returns(text) : std::string(text));
}

}  // namespace devrun::cli
