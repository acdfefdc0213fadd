// The tree of a file: places, merging, and refusal of everything hostile, within limits.
#include "cli/launch/document.h"

#include <gtest/gtest.h>

namespace devrun::launch {
namespace {

const Node& only_document(const ParsedYaml& yaml) {
  EXPECT_TRUE(yaml.diagnostics.empty()) << yaml.diagnostics.front().message;
  EXPECT_EQ(yaml.file->documents().size(), 1u);
  return *yaml.file->documents().front();
}

const Node& value_of(const Node& mapping, std::string_view key) {
  const Entry* entry = mapping.find(key);
  EXPECT_NE(entry, nullptr) << key;
  return *entry->value;
}

std::string only_error(std::string_view text) {
  const ParsedYaml yaml = parse_yaml(text);
  if (yaml.diagnostics.size() != 1)
    return "diagnostics: " + std::to_string(yaml.diagnostics.size());
  const Diagnostic& d = yaml.diagnostics.front();
  return std::to_string(d.line) + ":" + std::to_string(d.column) + ": " + d.message;
}

TEST(Document, KnowsThePlaceOfKeysAndValues) {
  const ParsedYaml yaml =
      parse_yaml("name: train\nresources:\n  cpus: '4+' # four\n  gpus: {A100:8, T4}\nworkdir:\n");
  const Node& root = only_document(yaml);
  EXPECT_EQ(root.find("name")->key_place, (Place{1, 1, 4}));
  EXPECT_EQ(value_of(root, "name").place, (Place{1, 7, 5}));
  const Node& resources = value_of(root, "resources");
  EXPECT_EQ(value_of(resources, "cpus").place, (Place{3, 9, 4}));
  const Node& gpus = value_of(resources, "gpus");
  ASSERT_EQ(gpus.entries.size(), 2u);
  EXPECT_EQ(gpus.entries[0].key, "A100:8");
  EXPECT_EQ(gpus.entries[0].key_place, (Place{4, 10, 6}));
  EXPECT_TRUE(gpus.entries[1].value->is_null());
  // An absent value stands where its key does.
  EXPECT_EQ(value_of(root, "workdir").place, (Place{5, 1, 7}));
}

TEST(Document, ReadsSeveralDocuments) {
  const ParsedYaml yaml = parse_yaml("# first\n---\nname: a\n---\nname: b\n...\n");
  ASSERT_TRUE(yaml.file);
  EXPECT_EQ(yaml.file->documents().size(), 2u);
}

TEST(Document, KeepsTextOfScriptsByteForByte) {
  const ParsedYaml yaml =
      parse_yaml("run: |\n  a: 'b'\n\n    # kept\n  é\t!\nsetup: >-\n  one\n  two\n");
  const Node& root = only_document(yaml);
  EXPECT_EQ(value_of(root, "run").scalar.text, "a: 'b'\n\n  # kept\né\t!\n");
  EXPECT_EQ(value_of(root, "setup").scalar.text, "one two");
}

TEST(Document, ReadsWindowsLineEndsAndByteOrderMark) {
  const ParsedYaml yaml = parse_yaml("\xEF\xBB\xBFname: a\r\nrun: |\r\n  x\r\n  y\r\n");
  const Node& root = only_document(yaml);
  EXPECT_EQ(root.find("name")->key_place, (Place{1, 1, 4}));
  EXPECT_EQ(value_of(root, "run").scalar.text, "x\ny\n");
}

TEST(Document, MergesAsPyYamlDoes) {
  const ParsedYaml yaml = parse_yaml(
      "base: &b {A: 1, B: 2}\nmore: &m {B: 3, C: 4}\n"
      "one:\n  B: 9\n  <<: *b\ntwo:\n  <<: [*b, *m]\n  D: 5\n");
  const Node& root = only_document(yaml);
  const Node& one = value_of(root, "one");
  ASSERT_EQ(one.entries.size(), 2u);
  EXPECT_EQ(one.entries[0].key, "A");
  EXPECT_EQ(value_of(one, "B").scalar.text, "9");
  const Node& two = value_of(root, "two");
  EXPECT_EQ(two.entries.size(), 4u);
  EXPECT_EQ(value_of(two, "B").scalar.text, "2");
  EXPECT_EQ(value_of(two, "C").scalar.text, "4");
  EXPECT_EQ(only_error("a: {<<: 3}\n"),
            "1:5: '<<' merges a map or a list of maps, found a whole number");
}

TEST(Document, TagsAreThoseOfPlainData) {
  const ParsedYaml yaml = parse_yaml("a: !!str 010\nb: !!float 3\nc: !!set {x, y}\n");
  const Node& root = only_document(yaml);
  EXPECT_EQ(value_of(root, "a").scalar.text, "010");
  EXPECT_EQ(value_of(root, "b").scalar.text, "3.0");
  EXPECT_EQ(value_of(root, "c").entries.size(), 2u);
  EXPECT_EQ(only_error("a: !!python/object:os.system x\n"),
            "1:4: the tag 'tag:yaml.org,2002:python/object:os.system' has no meaning here");
}

TEST(Document, RepeatedKeysAreErrorsWithBothPlaces) {
  const ParsedYaml yaml = parse_yaml("run: a\nname: b\nrun: c\nenvs: {X: 1, Y: 2, X: 3}\n");
  ASSERT_EQ(yaml.diagnostics.size(), 2u);
  EXPECT_EQ(only_error("run: a\nname: b\nrun: c\n"),
            "3:1: the key 'run' is repeated: it stands in line 1 already");
}

TEST(Document, SyntaxErrorsHaveAPlace) {
  EXPECT_EQ(only_error("a: b: c\n"),
            "1:5: syntax: a ':' where none can be: expected one 'key: value' a line");
  EXPECT_EQ(only_error("a: [1, 2\n"),
            "1:4: syntax: the list that begins here is not closed by ']'");
  EXPECT_EQ(only_error("run: x\nenvs: {A: 1, B: [2]\nname: y\n"),
            "2:7: syntax: the map that begins here is not closed by '}'");
  EXPECT_EQ(only_error("a: \"x\n"), "1:4: syntax: the quoted text never ends");
  EXPECT_EQ(only_error("a: *nothing\n").substr(0, 5), "1:4: ");
  EXPECT_EQ(only_error("envs:\n\tA: 1\n"), "2:1: a tab in the indentation: YAML takes spaces only");
  EXPECT_EQ(only_error("? [a, b]\n: c\n").substr(0, 35), "1:3: a key must be a single word or");
}

TEST(Hostile, EncodingsAreRefused) {
  EXPECT_EQ(only_error("name: a\xFFz\n"), "1:8: byte 0xff is not UTF-8");
  EXPECT_EQ(only_error("\xC0\x80"), "1:1: byte 0xc0 is not UTF-8");
  EXPECT_EQ(only_error("x: \xED\xA0\x80\n"), "1:4: byte 0xed is not UTF-8");
  EXPECT_EQ(only_error(std::string_view("a: b\nc: \0d\n", 11)),
            "2:4: the control character U+0000 has no place in YAML");
  EXPECT_EQ(only_error("a: \x1b[31m\n"), "1:4: the control character U+001B has no place in YAML");
  EXPECT_EQ(only_error("\xFF\xFEn\0"), "1:1: the file is UTF-16 or UTF-32: expected UTF-8");
}

TEST(Hostile, SizesAreLimited) {
  EXPECT_NE(only_error(std::string(kFileBytesMax + 1, 'x')).find("a task file has at most"),
            std::string::npos);
  const std::string huge = "run: '" + std::string(kScalarBytesMax + 1, 'x') + "'\n";
  EXPECT_NE(only_error(huge).find("1:6: a text of 262145 bytes"), std::string::npos);
  std::string many = "a: [";
  for (size_t i = 0; i < kNodesMax + 1; ++i) many += "0,";
  EXPECT_NE(only_error(many + "0]\n").find("more than 100000 values"), std::string::npos);
}

TEST(Hostile, DepthIsLimited) {
  for (const char* open : {"[", "{a: ", "- ", "? "}) {
    std::string deep;
    for (int i = 0; i < 2'000; ++i) deep += open;
    EXPECT_EQ(parse_yaml(deep).diagnostics.size(), 1u) << open;
  }
  std::string allowed = "x";
  for (size_t i = 1; i < kDepthMax; ++i) allowed = "[" + allowed + "]";
  EXPECT_TRUE(parse_yaml(allowed).diagnostics.empty());
  EXPECT_NE(only_error("[" + allowed + "]").find("nested deeper than 64 levels"),
            std::string::npos);
}

TEST(Hostile, AliasesThatExplodeAreCounted) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int n = 0; n < 8; ++n) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_NE(only_error(bomb).find("more than 100000 values, aliases written out"),
            std::string::npos);
  std::string deep = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i) {
    deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
            "]\n";
  }
  EXPECT_NE(only_error(deep).find("nested deeper than 64 levels"), std::string::npos);
  EXPECT_NE(only_error("a: &x [*x]\n").find("an alias of what contains it"), std::string::npos);
  std::string merges = "m0: &m0 {a0: 1, b0: 1}\n";
  for (int i = 1; i < 40; ++i) {
    const std::string n = std::to_string(i);
    const std::string before = std::to_string(i - 1);
    merges += "m" + n + ": &m" + n + " {<<: [*m" + before + ", *m" + before + ", *m" + before +
              "], x" + n + ": *m" + before + "}\n";
  }
  EXPECT_NE(only_error(merges).find("values, aliases written out"), std::string::npos);
}

}  // namespace
}  // namespace devrun::launch
