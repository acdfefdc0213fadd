// The YAML of a task file as an immutable tree with the place of every key and value, read within
// limits, so that a hostile file costs milliseconds and ends in an error: aliases that explode are
// counted as if written out, recursion is refused, nothing is expanded before it was counted.
//
// As PyYAML reads it: YAML 1.1 scalars (yaml_scalar.h), merge keys `<<`, the usual tags. Stricter in
// one thing: a repeated key is an error. Merged entries come first, an own entry takes the place of a
// merged one of its name.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/launch/diagnostic.h"
#include "cli/launch/yaml_scalar.h"

namespace devrun::launch {

inline constexpr size_t kFileBytesMax = size_t{1} << 20;
inline constexpr size_t kScalarBytesMax = size_t{256} << 10;
inline constexpr size_t kDepthMax = 64;
inline constexpr size_t kNodesMax = 100'000;  // aliases and merges counted as if written out
inline constexpr size_t kDocumentsMax = 256;

enum class NodeKind { kScalar, kSequence, kMapping };

struct Node;
struct Entry {
  std::string key;  // as Python's str() prints it: `on:` is the key "True"
  Place key_place;
  const Node* value = nullptr;
};

struct Node {
  NodeKind kind = NodeKind::kScalar;
  Place place;  // of an absent value (`key:`): the key's
  Scalar scalar;
  std::vector<const Node*> items;
  std::vector<Entry> entries;
  size_t nodes = 1;   // of this subtree, aliases written out
  size_t height = 0;  // 0: a scalar

  bool is_null() const { return kind == NodeKind::kScalar && scalar.kind == ScalarKind::kNull; }
  bool is_string() const { return kind == NodeKind::kScalar && scalar.kind == ScalarKind::kString; }
  const Entry* find(std::string_view key) const;
};

// Owns its nodes; move-only, and moving keeps every `const Node*` valid.
class YamlFile {
 public:
  YamlFile() = default;
  YamlFile(YamlFile&&) = default;
  YamlFile& operator=(YamlFile&&) = default;
  YamlFile(const YamlFile&) = delete;
  YamlFile& operator=(const YamlFile&) = delete;

  const std::vector<const Node*>& documents() const { return documents_; }
  Node* add_node() { return &nodes_.emplace_back(); }
  void add_document(const Node* root) { documents_.push_back(root); }

 private:
  std::deque<Node> nodes_;
  std::vector<const Node*> documents_;
};

struct ParsedYaml {
  std::optional<YamlFile> file;  // also with errors, as far as it could be read
  std::vector<Diagnostic> diagnostics;
};
ParsedYaml parse_yaml(std::string_view text);

// "the string 'two'", "a list", "nothing".
std::string describe(const Node& node);
// Without the value: "a string".
std::string_view describe_kind(const Node& node);

}  // namespace devrun::launch
