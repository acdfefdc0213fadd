#include "cli/launch/document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>
#include <unordered_map>

#include "cli/launch/encoding.h"
#include "cli/launch/source_text.h"
#include "cli/launch/yaml_merge.h"

namespace devrun::launch {

namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

bool is_standard_tag(std::string_view tag, std::string_view name) {
  return tag.starts_with(kTagPrefix) && tag.substr(kTagPrefix.size()) == name;
}

// Thrown through yaml-cpp to stop it; caught in parse_yaml.
struct Stop {
  Diagnostic why;
};

// Turns yaml-cpp's events into nodes. Keys are checked when their mapping ends.
class Builder : public YAML::EventHandler {
 public:
  Builder(YamlFile& file, const SourceText& source, std::vector<Diagnostic>& diagnostics)
      : file_(file), source_(source), diagnostics_(diagnostics) {}

  // yaml-cpp also announces a document when nothing but comments is left: it has no root.
  const Node* root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node* node = begin(NodeKind::kScalar, mark, anchor);
    node->scalar = resolve_plain("");
    node->place = source_.null_at(mark.line, mark.column).value_or(Place{});
    finish(node);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node* node = begin(NodeKind::kScalar, mark, anchor);
    if (value.size() > kScalarBytesMax) {
      throw Stop{error_at(node->place, fmt::format("a text of {} bytes; at most {} are read",
                                                   value.size(), kScalarBytesMax))};
    }
    if (source_.opens_endless_quote(mark.line, mark.column)) {
      throw Stop{error_at({node->place.line, node->place.column, 1},
                          "syntax: the quoted text never ends")};
    }
    node->scalar = scalar_of(node->place, tag, value);
    const bool merge = tag == "?" && value == "<<";
    finish(node, merge);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  // Where the innermost list or map in brackets begins that is open; nothing if there is none.
  std::optional<Place> open_bracket() const {
    for (auto open = open_.rbegin(); open != open_.rend(); ++open) {
      if (open->brackets) return open->node->place;
    }
    return std::nullopt;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Node* node = begin(NodeKind::kSequence, mark, anchor);
    expect_tag(node->place, tag, "seq");
    open_.push_back({node, {}, false, style == YAML::EmitterStyle::Flow});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Node* node = begin(NodeKind::kMapping, mark, anchor);
    if (!is_standard_tag(tag, "set")) expect_tag(node->place, tag, "map");
    open_.push_back({node, {}, false, style == YAML::EmitterStyle::Flow});
  }
  void OnMapEnd() override {
    Open& mapping = open_.back();
    merge_entries(*mapping.node, mapping.entries, diagnostics_);
    close();
  }

 private:
  struct Open {
    Node* node;
    std::vector<RawEntry> entries;  // of a mapping
    bool value_next = false;
    bool brackets = false;
  };

  Node* begin(NodeKind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Node* node = file_.add_node();
    node->kind = kind;
    node->place = source_.place(mark.line, mark.column);
    count(1, open_.size() + 1, node->place);
    if (anchor != 0) anchors_[anchor] = node;
    return node;
  }
  void count(size_t nodes, size_t depth, const Place& place) {
    nodes_ += nodes;
    if (nodes_ > kNodesMax) {
      throw Stop{error_at(
          place, fmt::format("the file has more than {} values, aliases written out", kNodesMax))};
    }
    if (depth > kDepthMax) {
      throw Stop{error_at(place, fmt::format("nested deeper than {} levels", kDepthMax))};
    }
  }
  void finish(Node* node, bool merge = false) { attach(node, node->place, merge); }
  void close() {
    Node* node = open_.back().node;
    open_.pop_back();
    node->height = 1;
    for (const Node* item : node->items) add_child(*node, *item);
    for (const Entry& entry : node->entries) add_child(*node, *entry.value);
    attach(node, node->place, false);
  }
  static void add_child(Node& node, const Node& child) {
    node.nodes += child.nodes;
    node.height = std::max(node.height, child.height + 1);
  }
  void attach(Node* node, const Place& place, bool merge);
  Scalar scalar_of(const Place& place, const std::string& tag, const std::string& value);
  void expect_tag(const Place& place, const std::string& tag, std::string_view wanted) {
    if (tag == "?" || tag == "!" || tag.empty() || is_standard_tag(tag, wanted)) {
      return;
    }
    unknown_tag(place, tag);
  }
  void unknown_tag(const Place& place, const std::string& tag) {
    diagnostics_.push_back(
        error_at(place, fmt::format("the tag '{}' has no meaning here", tag), "remove the tag"));
  }

  YamlFile& file_;
  const SourceText& source_;
  std::vector<Diagnostic>& diagnostics_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Node*> anchors_;
  size_t nodes_ = 0;
  const Node* root_ = nullptr;
};

void Builder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  const Place place = source_.place(mark.line, mark.column);
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) throw Stop{error_at(place, "an alias of nothing")};
  Node* node = found->second;
  for (const Open& open : open_) {
    if (open.node == node) throw Stop{error_at(place, "an alias of what contains it never ends")};
  }
  count(node->nodes, open_.size() + 1 + node->height, place);
  attach(node, place, false);
}

void Builder::attach(Node* node, const Place& place, bool merge) {
  if (open_.empty()) {
    root_ = node;
    return;
  }
  Open& parent = open_.back();
  if (parent.node->kind == NodeKind::kSequence) {
    if (node->place.line == 0) node->place = parent.node->place;
    parent.node->items.push_back(node);
  } else if (!parent.value_next) {
    if (node->place.line == 0) node->place = parent.node->place;
    if (node->kind != NodeKind::kScalar) {
      throw Stop{error_at(place, fmt::format("a key must be a single word or text, found {}",
                                             describe_kind(*node)))};
    }
    parent.entries.push_back(
        {node->scalar.text, place.line == 0 ? node->place : place, nullptr, merge});
    parent.value_next = true;
  } else {
    if (node->place.line == 0) node->place = parent.entries.back().key_place;
    // A merge brings in entries that count once more.
    if (parent.entries.back().merge) count(node->nodes, open_.size() + node->height, node->place);
    parent.entries.back().value = node;
    parent.value_next = false;
  }
}

Scalar Builder::scalar_of(const Place& place, const std::string& tag, const std::string& value) {
  if (tag == "?") return resolve_plain(value);
  if (tag == "!" || tag.empty() || is_standard_tag(tag, "str")) return string_scalar(value);
  Scalar plain = resolve_plain(value);
  const auto wants = [&](std::string_view name, ScalarKind kind) {
    return is_standard_tag(tag, name) && plain.kind == kind;
  };
  if (wants("int", ScalarKind::kInt) || wants("float", ScalarKind::kFloat) ||
      wants("bool", ScalarKind::kBool) || wants("null", ScalarKind::kNull) ||
      wants("timestamp", ScalarKind::kTimestamp)) {
    return plain;
  }
  if (is_standard_tag(tag, "float") && plain.kind == ScalarKind::kInt) {
    return {.kind = ScalarKind::kFloat, .text = python_float(plain.number), .number = plain.number};
  }
  unknown_tag(place, tag);
  return string_scalar(value);
}

// yaml-cpp's words in ours, where its own would puzzle.
// `bracket`: of the list or map that was being read.
Diagnostic syntax_error(const YAML::ParserException& failure, const SourceText& source,
                        const std::optional<Place>& bracket) {
  static const std::map<std::string_view, std::string_view> kWords{
      {YAML::ErrorMsg::MAP_VALUE, "a ':' where none can be: expected one 'key: value' a line"},
      {YAML::ErrorMsg::END_OF_MAP, "expected 'key: value' at this indentation"},
      {YAML::ErrorMsg::END_OF_SEQ, "expected '- item' at this indentation"},
      {YAML::ErrorMsg::END_OF_MAP_FLOW, "expected ',' or '}' in this map"},
      {YAML::ErrorMsg::END_OF_SEQ_FLOW, "expected ',' or ']' in this list"},
      {YAML::ErrorMsg::EOF_IN_SCALAR, "the quoted text never ends"},
      {YAML::ErrorMsg::UNKNOWN_TOKEN, "a character that can begin nothing"},
      {YAML::ErrorMsg::BLOCK_ENTRY, "a '-' where no list can begin"},
      {YAML::ErrorMsg::MAP_KEY, "a '?' where no key can begin"}};
  const Place place =
      source.place(std::max(failure.mark.line, 0), std::max(failure.mark.column, 0));
  if (source.indented_by_tab(place.line)) {
    return error_at(source.indent_of(place.line),
                    "a tab in the indentation: YAML takes spaces only", "replace tabs by spaces");
  }
  // One that is never closed is wrong where it begins, not where some later line makes it plain.
  const bool is_list = failure.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW;
  const bool unclosed = is_list || failure.msg == YAML::ErrorMsg::END_OF_MAP_FLOW;
  if (unclosed && bracket && bracket->line < place.line) {
    return error_at({bracket->line, bracket->column, 1},
                    fmt::format("syntax: the {} that begins here is not closed by '{}'",
                                is_list ? "list" : "map", is_list ? ']' : '}'),
                    fmt::format("line {} cannot be part of it", place.line));
  }
  const auto known = kWords.find(failure.msg);
  const std::string words(known == kWords.end() ? std::string_view(failure.msg) : known->second);
  return error_at({place.line, place.column, 1}, "syntax: " + words,
                  known != kWords.end() && known->first == YAML::ErrorMsg::MAP_VALUE
                      ? "text with ': ' in it needs quotes"
                      : "");
}

void read_documents(YamlFile& file, const SourceText& source,
                    std::vector<Diagnostic>& diagnostics) {
  std::istringstream stream{source.text()};
  YAML::Parser parser(stream);
  while (true) {
    Builder builder(file, source, diagnostics);
    try {
      if (!parser.HandleNextDocument(builder)) return;
    } catch (const YAML::ParserException& failure) {
      throw Stop{syntax_error(failure, source, builder.open_bracket())};
    }
    if (builder.root() == nullptr) continue;
    file.add_document(builder.root());
    if (file.documents().size() > kDocumentsMax) {
      throw Stop{
          error_at(builder.root()->place, fmt::format("more than {} documents", kDocumentsMax))};
    }
  }
}

}  // namespace

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

ParsedYaml parse_yaml(std::string_view text) {
  ParsedYaml out;
  DecodedText decoded = decode_text(text);
  if (decoded.error) {
    out.diagnostics.push_back(*std::move(decoded.error));
    return out;
  }
  const SourceText source(std::move(decoded.text));
  YamlFile file;
  try {
    read_documents(file, source, out.diagnostics);
  } catch (const Stop& stop) {
    out.diagnostics.push_back(stop.why);
    return out;
  } catch (const YAML::ParserException& failure) {
    out.diagnostics.push_back(syntax_error(failure, source, {}));
    return out;
  }
  out.file = std::move(file);
  return out;
}

std::string_view describe_kind(const Node& node) {
  if (node.kind == NodeKind::kSequence) return "a list";
  if (node.kind == NodeKind::kMapping) return "a map";
  switch (node.scalar.kind) {
    case ScalarKind::kNull:
      return "nothing";
    case ScalarKind::kBool:
      return "a boolean";
    case ScalarKind::kInt:
      return "a whole number";
    case ScalarKind::kFloat:
      return "a number";
    case ScalarKind::kTimestamp:
      return "a date";
    case ScalarKind::kString:
      return "a string";
  }
  return "a value";
}

std::string describe(const Node& node) {
  constexpr size_t kQuotedMax = 40;
  if (node.kind != NodeKind::kScalar || node.is_null()) return std::string(describe_kind(node));
  const std::string_view text = node.scalar.text;
  const bool cut = text.size() > kQuotedMax;
  size_t length = std::min(text.size(), kQuotedMax);
  while (length > 0 && length < text.size() &&
         (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) {
    --length;
  }
  return fmt::format("the{} '{}{}'", describe_kind(node).substr(1), text.substr(0, length),
                     cut ? "…" : "");
}

}  // namespace devrun::launch
