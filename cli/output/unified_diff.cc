// The shortest edit script by Myers' greedy algorithm, on what is left between equal beginnings and
// ends. Its memory grows with the square of the number of edits, hence the limit.
#include "cli/output/unified_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace devrun::cli {

namespace {

constexpr size_t kContextLines = 3;
constexpr long kEditsMax = 2000;

using Lines = std::vector<std::string_view>;

Lines split(std::string_view text) {
  Lines out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t size = end == std::string_view::npos ? text.size() : end + 1;
    out.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out;
}

struct Edit {
  char kind = ' ';  // ' ' both, '-' before, '+' after
  size_t before = 0;
  size_t after = 0;
};

class Script {
 public:
  Script(const Lines& before, const Lines& after) : before_(before), after_(after) {}

  std::vector<Edit> make() {
    size_t head = 0;
    while (head < before_.size() && head < after_.size() && before_[head] == after_[head]) ++head;
    size_t tail = 0;
    while (tail < before_.size() - head && tail < after_.size() - head &&
           before_[before_.size() - 1 - tail] == after_[after_.size() - 1 - tail]) {
      ++tail;
    }
    for (size_t i = 0; i < head; ++i) edits_.push_back({' ', i, i});
    middle(head, before_.size() - tail, after_.size() - tail);
    for (size_t i = tail; i > 0; --i) {
      edits_.push_back({' ', before_.size() - i, after_.size() - i});
    }
    return std::move(edits_);
  }

 private:
  void middle(size_t from, size_t before_end, size_t after_end) {
    const long n = static_cast<long>(before_end - from);
    const long m = static_cast<long>(after_end - from);
    std::vector<std::vector<long>> trace;  // furthest points by number of edits
    std::vector<long> furthest(static_cast<size_t>(2 * kEditsMax + 3), 0);
    const auto at = [&](long k) -> long& {
      return furthest[static_cast<size_t>(k + kEditsMax + 1)];
    };
    for (long d = 0; d <= std::min(n + m, kEditsMax); ++d) {
      trace.emplace_back(furthest.begin() + (kEditsMax + 1 - d - 1),
                         furthest.begin() + (kEditsMax + 1 + d + 2));
      for (long k = -d; k <= d; k += 2) {
        long x = k == -d || (k != d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
        while (x < n && x - k < m &&
               before_[from + static_cast<size_t>(x)] ==
                   after_[from + static_cast<size_t>(x - k)]) {
          ++x;
        }
        at(k) = x;
        if (x >= n && x - k >= m) return backtrack(trace, from, n, m);
      }
    }
    for (size_t i = from; i < before_end; ++i) edits_.push_back({'-', i, from});
    for (size_t i = from; i < after_end; ++i) edits_.push_back({'+', before_end, i});
  }

  void backtrack(const std::vector<std::vector<long>>& trace, size_t from, long x, long y) {
    std::vector<Edit> reversed;
    const auto add = [&](char kind, long one, long other) {
      reversed.push_back(
          {kind, from + static_cast<size_t>(one), from + static_cast<size_t>(other)});
    };
    for (long d = static_cast<long>(trace.size()) - 1; d >= 0; --d) {
      const auto furthest = [&](long k) {
        return trace[static_cast<size_t>(d)][static_cast<size_t>(k + d + 1)];
      };
      const long k = x - y;
      const bool down = k == -d || (k != d && furthest(k - 1) < furthest(k + 1));
      const long previous_k = down ? k + 1 : k - 1;
      const long previous_x = d == 0 ? 0 : furthest(previous_k);
      const long previous_y = d == 0 ? 0 : previous_x - previous_k;
      while (x > previous_x && y > previous_y) add(' ', --x, --y);
      if (d == 0) break;
      if (down) {
        add('+', x, --y);
      } else {
        add('-', --x, y);
      }
    }
    edits_.insert(edits_.end(), reversed.rbegin(), reversed.rend());
  }

  const Lines& before_;
  const Lines& after_;
  std::vector<Edit> edits_;
};

void add_line(std::string& out, char kind, std::string_view line) {
  out += kind;
  out += line;
  if (!line.ends_with('\n')) out += "\n\\ No newline at end of file\n";
}

std::string range(size_t first, size_t count) {
  if (count == 1) return std::to_string(first + 1);
  return fmt::format("{},{}", count == 0 ? first : first + 1, count);
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after,
                         std::string_view before_name, std::string_view after_name) {
  if (before == after) return {};
  if (before.find('\0') != std::string_view::npos || after.find('\0') != std::string_view::npos) {
    return fmt::format("Binary files {} and {} differ\n", before_name, after_name);
  }
  const Lines old_lines = split(before);
  const Lines new_lines = split(after);
  const std::vector<Edit> edits = Script(old_lines, new_lines).make();
  std::string out = fmt::format("--- {}\n+++ {}\n", before_name, after_name);
  for (size_t at = 0; at < edits.size();) {
    if (edits[at].kind == ' ') {
      ++at;
      continue;
    }
    const size_t begin = at - std::min(at, kContextLines);
    size_t end = at;  // after the last edit that is near enough
    for (size_t i = at; i < edits.size() && i < end + 2 * kContextLines + 1; ++i) {
      if (edits[i].kind != ' ') end = i + 1;
    }
    end = std::min(end + kContextLines, edits.size());
    size_t old_count = 0;
    size_t new_count = 0;
    std::string body;
    for (size_t i = begin; i < end; ++i) {
      const Edit& edit = edits[i];
      old_count += edit.kind != '+' ? 1 : 0;
      new_count += edit.kind != '-' ? 1 : 0;
      add_line(body, edit.kind, edit.kind == '+' ? new_lines[edit.after] : old_lines[edit.before]);
    }
    out += fmt::format("@@ -{} +{} @@\n{}", range(edits[begin].before, old_count),
                       range(edits[begin].after, new_count), body);
    at = end;
  }
  return out;
}

}  // namespace devrun::cli
