#include "cli/start/config_reader.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "common/base/parse_number.h"
#include "common/base/suggest.h"
#include "common/base/units.h"
#include "common/model/path_rules.h"

namespace devrun::start {

namespace {

bool is_address(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

// As RFC 1123 has names of hosts. Digits and dots alone are an address that somebody has mistyped.
bool is_host_name(const std::string& host) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.';
  };
  return !host.empty() && host.size() <= 253 && host.front() != '-' && host.front() != '.' &&
         host.back() != '-' && std::all_of(host.begin(), host.end(), fits) &&
         host.find_first_not_of("0123456789.") != std::string::npos;
}

}  // namespace

void ConfigReader::note(const YAML::Mark& at, const std::string& what) {
  problems_.push_back({at.line + 1, at.column + 1, what});
}

void ConfigReader::wrong(const YAML::Node& node, const std::string& what) {
  note(node.Mark(), what);
}

void ConfigReader::missing(const std::string& key, const std::string& example) {
  problems_.push_back({0, 0, fmt::format("'{}' is missing, as {}", key, example)});
}

YAML::Node ConfigReader::load(const std::string& text) {
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text);
    std::erase_if(documents, [](const YAML::Node& one) { return one.IsNull(); });
    if (documents.empty()) return YAML::Node(YAML::NodeType::Map);
    if (documents.size() > 1) {
      wrong(documents[1], "a configuration is one document, and another begins here");
    }
    return documents[0];
  } catch (const YAML::Exception& e) {
    note(e.mark, e.msg);
    return {};
  }
}

void ConfigReader::names(
    const YAML::Node& node,
    const std::function<void(const YAML::Node& key, const YAML::Node& value)>& visit) {
  if (!node.IsMap()) return wrong(node, "expected `name: value` lines");
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      wrong(entry.first, "expected a name");
    } else if (!seen.insert(entry.first.Scalar()).second) {
      // The library keeps the first of several, and says nothing.
      wrong(entry.first, fmt::format("'{}' stands here twice", entry.first.Scalar()));
    } else {
      visit(entry.first, entry.second);
    }
  }
}

void ConfigReader::map(const YAML::Node& node, const Fields& fields) {
  names(node, [&](const YAML::Node& key, const YAML::Node& value) {
    const std::string& name = key.Scalar();
    const auto known = std::find_if(fields.begin(), fields.end(),
                                    [&](const auto& field) { return field.first == name; });
    if (known != fields.end()) return known->second(value);
    std::vector<std::string_view> all;
    for (const auto& field : fields) all.push_back(field.first);
    const auto nearest = nearest_word(name, all);
    wrong(key, nearest ? fmt::format("there is no '{}', did you mean '{}'?", name, *nearest)
                       : fmt::format("there is no '{}' here, but: {}", name, fmt::join(all, ", ")));
  });
}

void ConfigReader::list(const YAML::Node& node, const Field& visit) {
  if (!node.IsSequence()) return wrong(node, "expected a list, as [a, b]");
  for (const auto& one : node) visit(one);
}

std::optional<std::string> ConfigReader::word(const YAML::Node& node) {
  if (node.IsScalar() && !node.Scalar().empty() &&
      node.Scalar().find_first_of(std::string_view("\0\n", 2)) == std::string::npos) {
    return node.Scalar();
  }
  wrong(node, "expected one word");
  return std::nullopt;
}

std::optional<std::string> ConfigReader::path(const YAML::Node& node) {
  auto out = word(node);
  if (!out || is_plain_path(*out)) return out;
  wrong(node, fmt::format("'{}' is no absolute path, as /srv/devrun", *out));
  return std::nullopt;
}

std::optional<bool> ConfigReader::truth(const YAML::Node& node) {
  bool out = false;
  if (node.IsScalar() && YAML::convert<bool>::decode(node, out)) return out;
  wrong(node, "expected true or false");
  return std::nullopt;
}

std::optional<int64_t> ConfigReader::size(const YAML::Node& node) {
  const auto text = word(node);
  if (!text) return std::nullopt;
  const Result<int64_t> out = parse_size(*text);
  if (out) return *out;
  wrong(node, fmt::format("'{}' is no size, as 16G", *text));
  return std::nullopt;
}

std::optional<Duration> ConfigReader::span(const YAML::Node& node) {
  const auto text = word(node);
  if (!text) return std::nullopt;
  const Result<Duration> out = parse_duration(*text);
  if (out && out->us > 0) return *out;
  wrong(node, fmt::format("'{}' is no span, as 15m or 30d", *text));
  return std::nullopt;
}

std::optional<int64_t> ConfigReader::count(const YAML::Node& node, int64_t min, int64_t max) {
  const auto text = word(node);
  if (!text) return std::nullopt;
  const auto out = parse_number<int64_t>(*text);
  if (out && *out >= min && *out <= max) return *out;
  wrong(node, fmt::format("'{}' is no number from {} to {}", *text, min, max));
  return std::nullopt;
}

std::optional<int64_t> ConfigReader::cores(const YAML::Node& node) {
  const auto text = word(node);
  if (!text) return std::nullopt;
  const auto out = parse_number<double>(*text);
  if (out && *out > 0 && *out <= 100'000) return static_cast<int64_t>(*out * 1000);
  wrong(node, fmt::format("'{}' is no number of cores, as 60 or 0.5", *text));
  return std::nullopt;
}

std::optional<std::string> ConfigReader::host(const YAML::Node& node) {
  auto out = word(node);
  if (!out || is_address(*out) || is_host_name(*out)) return out;
  wrong(node, fmt::format("'{}' is no name or address of a machine", *out));
  return std::nullopt;
}

std::optional<std::string> ConfigReader::endpoint(const YAML::Node& node, bool any) {
  auto out = word(node);
  if (!out) return out;
  const size_t colon = out->rfind(':');
  std::string host = out->substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const bool everywhere = host == "0.0.0.0" || host == "::";
  const bool host_fits = (is_address(host) || is_host_name(host)) && (any || !everywhere);
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_number<uint16_t>(out->substr(colon + 1));
  if (host_fits && port && *port > 0) return out;
  wrong(node, fmt::format("'{}' is not HOST:PORT, as {}:7443", *out, any ? "0.0.0.0" : "10.0.0.1"));
  return std::nullopt;
}

std::vector<std::string> ConfigReader::problems() const {
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  std::vector<std::string> out;
  for (const Problem& one : sorted) {
    out.push_back(one.line == 0
                      ? fmt::format("{}: {}", file_, one.what)
                      : fmt::format("{}:{}:{}: {}", file_, one.line, one.column, one.what));
  }
  return out;
}

Status ConfigReader::status() const {
  const std::vector<std::string> all = problems();
  if (all.empty()) return ok();
  return Error{Code::kInvalid, fmt::format("{}", fmt::join(all, "\n")),
               fmt::format("mend {}, then devrun-start --check-config", file_)};
}

}  // namespace devrun::start
