#include "tests/sim/options.h"

#include <charconv>

namespace devrun::sim {

namespace {

std::optional<uint64_t> number(std::string_view text) {
  uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return out;
}

bool take_seeds(std::string_view text, Options& out) {
  const size_t dash = text.find('-');
  const std::optional<uint64_t> first = number(text.substr(0, dash));
  const std::optional<uint64_t> last =
      dash == std::string_view::npos ? first : number(text.substr(dash + 1));
  if (!first || !last || *last < *first) return false;
  out.first = *first;
  out.last = *last;
  return true;
}

}  // namespace

std::optional<Options> parse_options(const std::vector<std::string_view>& words) {
  Options out;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--tell") {
      out.tell = true;
    } else if (word == "--first") {
      out.only_first = true;
    } else if (word == "--help" || word == "-h") {
      out.help = true;
    } else if (++i == words.size()) {
      return {};
    } else if (word == "--seeds" || word == "--seed") {
      if (!take_seeds(words[i], out)) return {};
    } else if (word == "--workers") {
      out.workers = number(words[i]).value_or(0);
    } else {
      return {};
    }
  }
  const bool one = out.first == out.last;
  if (out.workers == 0 || out.workers > 256 || (out.tell && !one)) return {};
  return out;
}

}  // namespace devrun::sim
