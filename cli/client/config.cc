#include "cli/client/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <array>

#include "common/base/suggest.h"

namespace devrun::cli {

namespace {

struct Key {
  std::string_view name;
  std::string Config::*member;
  bool is_path;
};
constexpr std::array<Key, 5> kKeys{{{"controller", &Config::controller, false},
                                    {"ca", &Config::ca_path, true},
                                    {"cert", &Config::cert_path, true},
                                    {"key", &Config::key_path, true},
                                    {"volume", &Config::volume, false}}};

Error at(const std::string& path, const YAML::Mark& mark, std::string_view what,
         std::string_view hint = {}) {
  const int line = mark.line < 0 ? 1 : mark.line + 1;
  return {Code::kInvalid, fmt::format("{}:{}: {}", path, line, what), std::string(hint)};
}

std::string against_folder_of(const std::string& path, const std::string& value) {
  if (value.empty() || value[0] == '/') return value;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? value : path.substr(0, slash + 1) + value;
}

Error unknown_key(const std::string& path, const YAML::Mark& mark, const std::string& name) {
  std::vector<std::string_view> names;
  for (const Key& key : kKeys) names.push_back(key.name);
  const auto nearest = nearest_word(name, names);
  const std::string hint =
      nearest ? fmt::format("'{}'", *nearest) : "one of: controller, ca, cert, key, volume";
  return at(path, mark, fmt::format("unknown key '{}'", name), hint);
}

Status take_entry(const std::string& path, const YAML::Node& name, const YAML::Node& value,
                  Config& out) {
  const std::string text = name.IsScalar() ? name.Scalar() : "";
  for (const Key& key : kKeys) {
    if (key.name != text) continue;
    if (!value.IsScalar()) {
      return at(path, value.Mark(), fmt::format("'{}' should be one word", text));
    }
    const std::string& word = value.Scalar();
    out.*key.member = key.is_path ? against_folder_of(path, word) : word;
    return ok();
  }
  return unknown_key(path, name.Mark(), text);
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& path) {
  YAML::Node root;
  try {
    root = YAML::Load(std::string(text));
  } catch (const YAML::ParserException& e) {
    return at(path, e.mark, e.msg);
  }
  Config out;
  if (root.IsNull()) return out;
  if (!root.IsMap())
    return at(path, root.Mark(), "expected `key: value` lines such as `controller: HOST:PORT`");
  for (const auto& entry : root) TRY(take_entry(path, entry.first, entry.second, out));
  return out;
}

}  // namespace devrun::cli
