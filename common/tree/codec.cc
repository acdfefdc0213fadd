// Protobuf writes fields in the order of their numbers and leaves defaults out, so its
// serialization of a message that we built is the canonical one. The reader proves that bytes are
// canonical by writing what it parsed again: wrong order, defaults, overlong integers and repeated
// fields all differ; unknown fields would not and are looked for.
#include "common/tree/codec.h"

#include <devrun/v1/tree.pb.h>
#include <fmt/format.h>
#include <google/protobuf/arena.h>
#include <zstd.h>

#include "common/base/check.h"
#include "common/tree/validate.h"

namespace devrun::tree {

namespace {

constexpr std::string_view kPackMagic = "devrunP1";
constexpr size_t kPackBytesMax = size_t{1} << 30;  // decompressed
constexpr size_t kManifestBytesMax = size_t{4} << 20;
constexpr size_t kEntriesMax = size_t{16} << 20;
constexpr int kPackCompressionLevel =
    1;  // directories are mostly names and hashes: higher levels gain little

Error corrupt(std::string_view what, std::string_view why) {
  return Error{Code::kCorrupt, fmt::format("{} is damaged: {}", what, why), {}};
}

std::string_view bytes_of(const Lineage& lineage) {
  return {reinterpret_cast<const char*>(lineage.data()), lineage.size()};
}

bool read_lineage(const std::string& raw, Lineage& out) {
  if (raw.size() != out.size()) return false;
  std::copy_n(raw.begin(), out.size(), out.begin());
  return true;
}

bool read_digest(const std::string& raw, Digest& out) {
  const std::optional<Digest> digest = Digest::from_bytes(raw);
  if (digest) out = *digest;
  return digest.has_value();
}

void set_bytes(std::string* field, std::string_view value) {
  field->assign(value.data(), value.size());
}

void to_message(const Entry& entry, const Lineage& lineage, v1::Entry& out) {
  if (!entry.name.empty()) out.set_name(entry.name);
  out.set_type(static_cast<v1::EntryType>(entry.type));
  out.set_mode(entry.mode);
  out.set_uid(entry.uid);
  out.set_gid(entry.gid);
  out.set_size(entry.size);
  out.set_mtime_ns(entry.mtime_ns);
  out.set_ctime_ns(entry.ctime_ns);
  out.set_inode(entry.inode);
  if (entry.lineage != lineage) set_bytes(out.mutable_lineage(), bytes_of(entry.lineage));
  if (entry.links > 1) out.set_links(entry.links);
  out.set_device(entry.device);
  if (!entry.link_target.empty()) out.set_link_target(entry.link_target);
  if (entry.body != Body{}) {
    std::string* body = out.mutable_body();
    body->reserve(1 + entry.body.id.size());
    body->push_back(static_cast<char>(entry.body.kind));
    body->append(entry.body.id);
  }
  if (!entry.directory.is_zero()) set_bytes(out.mutable_directory(), entry.directory.view());
  for (const Xattr& xattr : entry.xattrs) {
    v1::Xattr* x = out.add_xattrs();
    x->set_name(xattr.name);
    x->set_value(xattr.value);
  }
}

// Of this message alone, not of those in it.
bool has_unknown_fields(const google::protobuf::Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

// What cannot be held by an Entry is refused here; what can but must not be is validate.h's.
std::string from_message(const v1::Entry& in, const Lineage& lineage, Entry& out) {
  if (has_unknown_fields(in)) return "unknown fields";
  if (in.type() < 0 || in.type() > 255) return "unknown type";
  out.name = in.name();
  out.type = static_cast<EntryType>(in.type());
  out.mode = in.mode();
  out.uid = in.uid();
  out.gid = in.gid();
  out.size = in.size();
  out.mtime_ns = in.mtime_ns();
  out.ctime_ns = in.ctime_ns();
  out.inode = in.inode();
  out.lineage = lineage;
  if (!in.lineage().empty()) {
    if (!read_lineage(in.lineage(), out.lineage)) return "a lineage that is not 16 bytes";
    if (out.lineage == lineage) return "a lineage that is the directory's";
  }
  if (in.links() == 1) return "a link count of 1";
  out.links = in.links() == 0 ? 1 : in.links();
  out.device = in.device();
  out.link_target = in.link_target();
  if (in.body().size() == 1) return "a body without bytes";
  if (!in.body().empty()) {
    out.body = {static_cast<BodyKind>(in.body()[0]), in.body().substr(1)};
  }
  if (!in.directory().empty()) {
    if (!read_digest(in.directory(), out.directory)) return "a directory id that is not 32 bytes";
    if (out.directory.is_zero()) return "a directory id of zeros";
  }
  out.xattrs.reserve(static_cast<size_t>(in.xattrs_size()));
  for (const v1::Xattr& xattr : in.xattrs()) {
    if (has_unknown_fields(xattr)) return "unknown fields in an xattr";
    out.xattrs.push_back({xattr.name(), xattr.value()});
  }
  return {};
}

bool is_canonical(const google::protobuf::MessageLite& message, std::string_view bytes) {
  return message.ByteSizeLong() == bytes.size() && message.SerializeAsString() == bytes;
}

}  // namespace

Object encode_directory(const Directory& directory, const Lineage& lineage) {
  const std::string wrong = problem_of(directory);
  CHECK_MSG(wrong.empty(), wrong);
  google::protobuf::Arena arena;
  auto* message = google::protobuf::Arena::CreateMessage<v1::Directory>(&arena);
  message->set_version(kFormatVersion);
  set_bytes(message->mutable_lineage(), bytes_of(lineage));
  message->mutable_entries()->Reserve(static_cast<int>(directory.entries.size()));
  for (const Entry& entry : directory.entries) to_message(entry, lineage, *message->add_entries());
  Object out;
  CHECK(message->SerializeToString(&out.bytes));
  out.id = sha256(out.bytes);
  return out;
}

Result<Directory> decode_directory(std::string_view bytes) {
  constexpr std::string_view kWhat = "a directory object";
  if (bytes.size() > kPackBytesMax) return corrupt(kWhat, "it is larger than 1 GiB");
  google::protobuf::Arena arena;
  auto* message = google::protobuf::Arena::CreateMessage<v1::Directory>(&arena);
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return corrupt(kWhat, "it does not parse");
  }
  if (message->version() != kFormatVersion) {
    return corrupt(kWhat, fmt::format("version {}, not {}", message->version(), kFormatVersion));
  }
  Lineage lineage{};
  if (!read_lineage(message->lineage(), lineage))
    return corrupt(kWhat, "a lineage that is not 16 bytes");
  if (has_unknown_fields(*message)) return corrupt(kWhat, "unknown fields");
  if (static_cast<size_t>(message->entries_size()) > kEntriesMax)
    return corrupt(kWhat, "too many entries");
  Directory out;
  out.entries.resize(static_cast<size_t>(message->entries_size()));
  size_t i = 0;
  for (const v1::Entry& entry : message->entries()) {
    if (std::string wrong = from_message(entry, lineage, out.entries[i++]); !wrong.empty()) {
      return corrupt(kWhat, fmt::format("entry '{}': {}", entry.name(), wrong));
    }
  }
  if (std::string wrong = problem_of(out); !wrong.empty()) return corrupt(kWhat, wrong);
  if (!is_canonical(*message, bytes)) return corrupt(kWhat, "its bytes are not in canonical form");
  return out;
}

std::string encode_manifest(const Manifest& manifest) {
  const std::string wrong = problem_of(manifest);
  CHECK_MSG(wrong.empty(), wrong);
  v1::Manifest message;
  message.set_version(kFormatVersion);
  set_bytes(message.mutable_tree(), manifest.tree.view());
  message.set_volume(manifest.volume);
  set_bytes(message.mutable_lineage(), bytes_of(manifest.lineage));
  message.set_taken_ns(manifest.taken_ns);
  for (const Digest& pack : manifest.packs) set_bytes(message.add_packs(), pack.view());
  message.set_has_xattrs(manifest.has_xattrs);
  message.set_files(manifest.files);
  message.set_bytes(manifest.bytes);
  if (!manifest.parent.is_zero()) set_bytes(message.mutable_parent(), manifest.parent.view());
  to_message(manifest.root, manifest.lineage, *message.mutable_root());
  std::string out;
  CHECK(message.SerializeToString(&out));
  return out;
}

Result<Manifest> decode_manifest(std::string_view bytes) {
  constexpr std::string_view kWhat = "a snapshot's manifest";
  v1::Manifest message;
  if (bytes.size() > kManifestBytesMax) return corrupt(kWhat, "it is larger than 4 MiB");
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return corrupt(kWhat, "it does not parse");
  }
  if (message.version() != kFormatVersion) {
    return corrupt(kWhat, fmt::format("version {}, not {}", message.version(), kFormatVersion));
  }
  if (has_unknown_fields(message)) return corrupt(kWhat, "unknown fields");
  Manifest out;
  if (!read_digest(message.tree(), out.tree))
    return corrupt(kWhat, "a tree id that is not 32 bytes");
  if (!read_lineage(message.lineage(), out.lineage))
    return corrupt(kWhat, "a lineage that is not 16 bytes");
  if (!message.parent().empty() &&
      (!read_digest(message.parent(), out.parent) || out.parent.is_zero())) {
    return corrupt(kWhat, "an impossible parent id");
  }
  for (const std::string& raw : message.packs()) {
    if (!read_digest(raw, out.packs.emplace_back()))
      return corrupt(kWhat, "a pack id that is not 32 bytes");
  }
  out.volume = message.volume();
  out.taken_ns = message.taken_ns();
  out.has_xattrs = message.has_xattrs();
  out.files = message.files();
  out.bytes = message.bytes();
  std::string wrong = from_message(message.root(), out.lineage, out.root);
  if (wrong.empty()) wrong = problem_of(out);
  if (!wrong.empty()) return corrupt(kWhat, wrong);
  if (!is_canonical(message, bytes)) return corrupt(kWhat, "its bytes are not in canonical form");
  return out;
}

std::string encode_pack(const std::vector<std::string_view>& objects) {
  v1::Pack message;
  message.mutable_objects()->Reserve(static_cast<int>(objects.size()));
  for (const std::string_view object : objects) set_bytes(message.add_objects(), object);
  CHECK_MSG(message.ByteSizeLong() <= kPackBytesMax, "a pack of more than 1 GiB");
  const std::string plain = message.SerializeAsString();
  std::string out(kPackMagic);
  out.resize(kPackMagic.size() + ZSTD_compressBound(plain.size()));
  const size_t size = ZSTD_compress(out.data() + kPackMagic.size(), out.size() - kPackMagic.size(),
                                    plain.data(), plain.size(), kPackCompressionLevel);
  CHECK_MSG(ZSTD_isError(size) == 0, ZSTD_getErrorName(size));
  out.resize(kPackMagic.size() + size);
  return out;
}

Result<std::vector<Object>> decode_pack(std::string_view bytes) {
  constexpr std::string_view kWhat = "a pack";
  if (!bytes.starts_with(kPackMagic)) return corrupt(kWhat, "it does not begin with devrunP1");
  bytes.remove_prefix(kPackMagic.size());
  const size_t frame = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (ZSTD_isError(frame) != 0) return corrupt(kWhat, ZSTD_getErrorName(frame));
  if (frame != bytes.size()) return corrupt(kWhat, "bytes after its end");
  const unsigned long long plain_bytes = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (plain_bytes == ZSTD_CONTENTSIZE_UNKNOWN || plain_bytes == ZSTD_CONTENTSIZE_ERROR) {
    return corrupt(kWhat, "it does not tell its size");
  }
  if (plain_bytes > kPackBytesMax) return corrupt(kWhat, "it is larger than 1 GiB");
  std::string plain(static_cast<size_t>(plain_bytes), '\0');
  const size_t got = ZSTD_decompress(plain.data(), plain.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0) return corrupt(kWhat, ZSTD_getErrorName(got));
  v1::Pack message;
  if (!message.ParseFromString(plain)) return corrupt(kWhat, "it does not parse");
  if (has_unknown_fields(message)) return corrupt(kWhat, "unknown fields");
  std::vector<Object> out;
  out.reserve(static_cast<size_t>(message.objects_size()));
  for (std::string& object : *message.mutable_objects()) {
    const Digest id = sha256(object);
    out.push_back({id, std::move(object)});
  }
  return out;
}

}  // namespace devrun::tree
