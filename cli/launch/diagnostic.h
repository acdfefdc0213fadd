// What is wrong, or worth knowing, about a task file: a value with a place, so that all errors of a
// file come at once and in order. `render` shows each with its source line, the offending text
// underlined:
//
//   train.yaml:3:3: error: unknown key 'acelerators' in resources
//       3 |   acelerators: H100:8
//         |   ^~~~~~~~~~~
//         = did you mean 'accelerators'?
//
// Values of secrets are never shown: what `Redactions` names is replaced in messages, and source
// lines of a `secrets:` block lose all but their keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace devrun::launch {

// Where a key or value stands; lines and columns from 1, columns and length in bytes. Line 0: no place.
struct Place {
  int line = 0;
  int column = 0;
  int length = 1;
  bool operator==(const Place&) const = default;
};

enum class Severity { kWarning, kError };

struct Diagnostic {
  Severity severity = Severity::kError;
  int line = 0;
  int column = 0;
  int length = 1;  // bytes to underline
  std::string message;
  std::string hint;       // may be empty
  std::string file = {};  // empty: the task file; else shown by that name, without its text
  // Of a warning: the task is not run as the file means it (known_fields.h), and not merely where it would be elsewhere.
  bool unsupported = false;
};

Diagnostic error_at(const Place& place, std::string message, std::string hint = {});
Diagnostic warning_at(const Place& place, std::string message, std::string hint = {});

Diagnostic unsupported_at(const Place& place, std::string message, std::string hint = {});

bool has_errors(const std::vector<Diagnostic>& diagnostics);
// `--strict`: every warning is an error.
void make_strict(std::vector<Diagnostic>& diagnostics);
// By place; those without one first, those of other files last.
void sort_by_place(std::vector<Diagnostic>& diagnostics);

// The texts that must not be shown. Short ones are left alone: masking every `1` would hide
// nothing and everything.
class Redactions {
 public:
  static constexpr size_t kShortestMasked = 4;
  // Each line of a text of several is masked by itself too.
  void add(std::string_view secret);
  std::string apply(std::string_view text) const;
  void apply(std::vector<Diagnostic>& diagnostics) const;

 private:
  std::vector<std::string> secrets_;  // longest first
};

// All of them, each ended by a newline. `text` is the task file's.
std::string render(const std::vector<Diagnostic>& diagnostics, std::string_view file_name,
                   std::string_view text, const Redactions& redactions = {});

}  // namespace devrun::launch
