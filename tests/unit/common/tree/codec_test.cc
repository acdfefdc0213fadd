// The snapshot format: what is written reads back equal, equal contents have equal names, and every
// damaged or non-canonical byte sequence is refused with a word about what is wrong.
#include "common/tree/codec.h"

#include <gtest/gtest.h>

#include <random>

#include "common/tree/paths.h"

namespace devrun::tree {
namespace {

Lineage lineage_of(uint8_t fill) {
  Lineage out;
  out.fill(fill);
  return out;
}

Entry named(std::string name, EntryType type) {
  Entry entry;
  entry.name = std::move(name);
  entry.type = type;
  entry.mode = 0755;
  entry.uid = 1000;
  entry.mtime_ns = -5;
  entry.ctime_ns = 1'700'000'000'000'000'000;
  entry.inode = 77;
  entry.lineage = lineage_of(1);
  return entry;
}

// One entry of every kind, with every field used somewhere.
Directory every_kind() {
  Directory out;
  Entry file = named("b-inline", EntryType::kRegular);
  file.size = 5;
  file.body = {BodyKind::kInline, std::string("he\0lo", 5)};
  file.links = 3;
  file.xattrs = {{"security.capability", std::string("\0\1", 2)}, {"user.a", ""}};
  Entry large = named("c-large", EntryType::kRegular);
  large.size = 3 << 20;
  large.body = {BodyKind::kChunked, std::string(32, 'x')};
  large.lineage = lineage_of(9);
  Entry provisional = named("d-provisional", EntryType::kRegular);
  provisional.size = 10;
  provisional.body = {BodyKind::kProvisional, std::string(16, 'p')};
  Entry link = named("e-link", EntryType::kSymlink);
  link.link_target = "../x";
  link.size = 4;
  Entry folder = named("f-folder", EntryType::kDirectory);
  folder.directory.bytes.fill(4);
  Entry device = named("g-null", EntryType::kCharacterDevice);
  device.device = 259;
  out.entries = {named("\x01\xff", EntryType::kFifo),
                 named("a-empty", EntryType::kRegular),
                 file,
                 large,
                 provisional,
                 link,
                 folder,
                 device,
                 named("h-block", EntryType::kBlockDevice),
                 named("i-socket", EntryType::kSocket),
                 named("\xc3\xa4-mount", EntryType::kMountPoint)};
  return out;
}

Manifest some_manifest() {
  Manifest out;
  out.tree.bytes.fill(7);
  out.volume = "alice";
  out.lineage = lineage_of(1);
  out.taken_ns = 123;
  out.packs.resize(2);
  out.packs[0].bytes.fill(1);
  out.packs[1].bytes.fill(2);
  out.has_xattrs = true;
  out.files = 9;
  out.bytes = 1000;
  out.parent.bytes.fill(3);
  out.root = named("", EntryType::kDirectory);
  out.root.directory = out.tree;
  return out;
}

std::string message_of(const Result<Directory>& result) {
  if (result) return "no error";
  EXPECT_EQ(result.error().code, Code::kCorrupt);
  return result.error().message;
}

TEST(Codec, DirectoryReadsBackEqual) {
  const Directory directory = every_kind();
  const Object object = encode_directory(directory, lineage_of(1));
  EXPECT_EQ(object.id, sha256(object.bytes));
  const Result<Directory> back = decode_directory(object.bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, directory);
  EXPECT_EQ(encode_directory(*back, lineage_of(1)).bytes, object.bytes);
  const Object empty = encode_directory({}, lineage_of(1));
  EXPECT_TRUE(decode_directory(empty.bytes)->entries.empty());
}

TEST(Codec, NameIsKnown) {
  // A change of this value is a change of the format: every stored tree would get another name.
  EXPECT_EQ(sha256("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(encode_directory(every_kind(), lineage_of(1)).id.hex(),
            "94d6accc723064d43792ac47e506208eed91f38abd53ba5570901db149c5c0bb");
  EXPECT_EQ(sha256(encode_manifest(some_manifest())).hex(),
            "eece8154cd16a681e26a004593202836513a1f7e296eebfac86e23ef2c705688");
}

TEST(Codec, EveryFlippedBitIsRefusedOrStaysCanonical) {
  const Object object = encode_directory(every_kind(), lineage_of(1));
  for (size_t bit = 0; bit < object.bytes.size() * 8; ++bit) {
    std::string bytes = object.bytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const Result<Directory> back = decode_directory(bytes);
    if (!back) {
      EXPECT_EQ(back.error().code, Code::kCorrupt);
    } else {
      EXPECT_NE(*back, Directory{});
    }
  }
  for (size_t size = 0; size < object.bytes.size(); ++size) {
    const Result<Directory> back = decode_directory(std::string_view(object.bytes).substr(0, size));
    if (back) {
      EXPECT_LT(back->entries.size(), every_kind().entries.size());
    }
  }
}

TEST(Codec, NonCanonicalDirectoriesAreRefused) {
  const std::string bytes = encode_directory(every_kind(), lineage_of(1)).bytes;
  const std::string head = bytes.substr(0, 2 + 18);
  EXPECT_NE(message_of(decode_directory(bytes + std::string("\x78\x01", 2))).find("unknown fields"),
            std::string::npos);
  EXPECT_NE(message_of(decode_directory("\x08\x01" + bytes)).find("canonical"), std::string::npos);
  EXPECT_NE(message_of(decode_directory("\x08\x02" + bytes.substr(2))).find("version 2"),
            std::string::npos);
  EXPECT_NE(message_of(decode_directory("")).find("version 0"), std::string::npos);
  EXPECT_NE(message_of(decode_directory("\x08\x01")).find("lineage"), std::string::npos);
  EXPECT_NE(message_of(decode_directory("\xff\xff")).find("parse"), std::string::npos);
  // An entry {name "a", type FIFO}, then the same with an overlong integer, with links = 1, out of
  // order, twice.
  const std::string a(
      "\x1a\x05\x0a\x01"
      "a\x10\x06",
      7);
  const std::string b(
      "\x1a\x05\x0a\x01"
      "b\x10\x06",
      7);
  EXPECT_TRUE(decode_directory(head + a + b)) << message_of(decode_directory(head + a + b));
  EXPECT_NE(message_of(decode_directory(head + b + a)).find("order"), std::string::npos);
  EXPECT_NE(message_of(decode_directory(head + a + a)).find("order"), std::string::npos);
  const std::string overlong(
      "\x1a\x06\x0a\x01"
      "a\x10\x86\x00",
      8);
  EXPECT_NE(message_of(decode_directory(head + overlong)).find("canonical"), std::string::npos);
  const std::string links(
      "\x1a\x07\x0a\x01"
      "a\x10\x06\x58\x01",
      9);
  EXPECT_NE(message_of(decode_directory(head + links)).find("link count"), std::string::npos);
}

// The writer CHECKs its entries, so wrong ones are made by hand: the name, then the raw fields
// after it. encoding is not possible (the writer CHECKs), so the wrong entries are made by hand:
// type, then extra fields.
TEST(Codec, WrongFieldCombinationsAreRefused) {
  const std::string head = encode_directory({}, lineage_of(1)).bytes;
  const auto entry = [&](std::string_view name, std::string_view rest) {
    std::string inner = "\x0a" + std::string(1, static_cast<char>(name.size())) + std::string(name);
    inner += rest;
    return message_of(
        decode_directory(head + "\x1a" + std::string(1, static_cast<char>(inner.size())) + inner));
  };
  const auto has = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos ? ::testing::AssertionSuccess()
                                                : ::testing::AssertionFailure() << text;
  };
  EXPECT_TRUE(has(entry("a/b", "\x10\x06"), "NUL or '/'"));
  EXPECT_TRUE(has(entry("..", "\x10\x06"), "'.' or '..'"));
  EXPECT_TRUE(has(entry("a", ""), "unknown type 0"));
  EXPECT_TRUE(has(entry("a", "\x10\x09"), "unknown type 9"));
  EXPECT_TRUE(has(entry("a", "\x10\x06\x18\x80\x20"), "permission bits"));
  EXPECT_TRUE(has(entry("a", "\x10\x06\x30\x01"), "size where none belongs"));
  EXPECT_TRUE(has(entry("a", "\x10\x01\x30\x01"), "inline body of 0 bytes"));
  EXPECT_TRUE(has(entry("a", "\x10\x03"), "impossible target"));
  EXPECT_TRUE(has(entry("a", "\x10\x03\x30\x02\x6a\x01x"), "size is not its target's"));
  EXPECT_TRUE(has(entry("a", "\x10\x02"), "directory without an object"));
  EXPECT_TRUE(has(entry("a", "\x10\x06\x60\x05"), "device number"));
  EXPECT_TRUE(has(entry("a", "\x10\x06\x58\x02"), "2 links"));
  EXPECT_TRUE(has(entry("a", "\x10\x01\x30\x01\x72\x02\x09x"), "unknown body kind 9"));
  EXPECT_TRUE(has(entry("a", "\x10\x01\x30\x01\x72\x02\x01x"), "fits inline"));
  EXPECT_TRUE(has(entry("a", "\x10\x06\x7a\x01x"), "not 32 bytes"));
  EXPECT_TRUE(has(entry("a",
                        "\x10\x06\x82\x01\x03\x0a\x01"
                        "b\x82\x01\x03\x0a\x01"
                        "a"),
                  "not sorted by name"));
}

TEST(Codec, ManifestReadsBackAndIsChecked) {
  const Manifest manifest = some_manifest();
  const std::string bytes = encode_manifest(manifest);
  const Result<Manifest> back = decode_manifest(bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, manifest);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_manifest(std::string_view(bytes).substr(0, size)));
  }
  EXPECT_FALSE(decode_manifest(bytes + std::string("\x78\x01", 2)));
}

TEST(Codec, PackReadsBackAndIsChecked) {
  const std::string one = encode_directory(every_kind(), lineage_of(1)).bytes;
  const std::string two = encode_directory({}, lineage_of(2)).bytes;
  const std::string pack = encode_pack({one, two});
  const Result<std::vector<Object>> back = decode_pack(pack);
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->size(), 2U);
  EXPECT_EQ((*back)[0].bytes, one);
  EXPECT_EQ((*back)[1].id, sha256(two));
  EXPECT_TRUE(decode_pack(encode_pack({}))->empty());
  for (size_t size = 0; size < pack.size(); ++size) {
    EXPECT_FALSE(decode_pack(std::string_view(pack).substr(0, size)));
  }
  EXPECT_FALSE(decode_pack(pack + "x"));
  EXPECT_FALSE(decode_pack("devrunP2" + pack.substr(8)));
}

TEST(Codec, RandomBytesNeverPass) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_FALSE(decode_directory(bytes));
    EXPECT_FALSE(decode_manifest(bytes));
    EXPECT_FALSE(decode_pack("devrunP1" + bytes));
  }
}

TEST(Paths, AreWhereNodesLook) {
  Digest id;
  id.bytes.fill(0xab);
  const std::string hex = id.hex();
  const Body chunked{BodyKind::kChunked, std::string(id.view())};
  EXPECT_EQ(manifest_path(id), "trees/ab/" + hex);
  EXPECT_EQ(pack_path(id), "packs/ab/" + hex);
  EXPECT_EQ(body_path(chunked), "content/ab/" + hex);
  EXPECT_EQ(chunk_list_path(chunked), "content/ab/" + hex + ".chunks");
  EXPECT_EQ(body_path({BodyKind::kProvisional, std::string(16, '\x01')}),
            "content/p/01010101010101010101010101010101");
}

}  // namespace
}  // namespace devrun::tree
