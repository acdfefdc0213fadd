// The two voices of the CLI: data on stdout, devrun's own words on stderr. Words begin with
// `devrun: ` and end with the next command to try. While a terminal is raw, line ends need their
// carriage return.
//
// Thread-safe: each call is one write, so that lines of two threads do not mix.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun::cli {

// "devrun: MESSAGE. Try: HINT", or "devrun: MESSAGE" without a hint; every further line of MESSAGE
// gets the prefix too, and the hint is then one of them.
std::string format_words(std::string_view message, std::string_view hint);

// What a printed text from elsewhere may hold: control characters but newline and tab, and bytes that are no UTF-8, become
// `\xNN`, so that a file name cannot drive the terminal.
std::string printable(std::string_view text);
// A path that shares its line with nothing: line ends and tabs too.
std::string printable_path(std::string_view path);

class Console {
 public:
  Console(int out, int err) : out_(out), err_(err) {}

  // Data to stdout, whole. kCancelled if nobody reads it any more.
  Status data(std::string_view text) const;

  // Words to stderr; nobody listening is no error.
  void say(std::string_view message, std::string_view hint = {}) const;
  void say(const Error& error) const;
  // As it is, without prefix: help texts that answer a usage error.
  void say_plain(std::string_view text) const;

  void set_raw(bool raw) { raw_.store(raw); }
  // Held by those that share our stdout, for the length of some whole lines.
  std::mutex& lines() { return lines_; }
  int out() const { return out_; }
  int err() const { return err_; }

 private:
  int out_;
  int err_;
  std::atomic<bool> raw_ = false;
  std::mutex lines_;
};

}  // namespace devrun::cli
