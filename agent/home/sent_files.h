// What is known of the files of one attempt's upper: their bodies, so that nothing is hashed twice, and which version of each a round
// has told. Only a memory: what it lacks is hashed, told and asked for again, at no harm. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "common/base/digest.h"
#include "common/tree/tree.h"

namespace devrun::home {

// A version of a file. An inode of an upper whose ctime and size are the same has the same bytes, once nobody has it open for
// writing.
struct FileVersion {
  uint64_t inode = 0;
  int64_t ctime_ns = 0;
  uint64_t size = 0;
  bool operator==(const FileVersion&) const = default;
};

class SentFiles {
 public:
  static constexpr size_t kFilesMax = 1 << 18;  // some 30 MB; what comes later is not remembered

  // None: not known.
  std::optional<tree::Body> body(const FileVersion& version) const {
    const Known* known = find(version);
    if (known == nullptr || known->body.is_zero()) return {};
    return tree::Body{tree::BodyKind::kChunked, std::string(known->body.view())};
  }
  void note_body(const FileVersion& version, const tree::Body& body) {
    Known* known = place(version);
    if (known == nullptr || body.kind != tree::BodyKind::kChunked) return;
    if (const std::optional<Digest> id = Digest::from_bytes(body.id)) known->body = *id;
  }

  // By a round that was answered.
  bool was_told(const FileVersion& version) const {
    const Known* known = find(version);
    return known != nullptr && known->told;
  }
  void note_told(const FileVersion& version) {
    if (Known* known = place(version)) known->told = true;
  }
  bool is_full() const { return files_.size() >= kFilesMax; }

 private:
  struct Known {
    FileVersion version;
    Digest body;  // zero: not known
    bool told = false;
  };

  const Known* find(const FileVersion& version) const {
    const auto found = files_.find(version.inode);
    return found != files_.end() && found->second.version == version ? &found->second : nullptr;
  }
  // A newer version of an inode takes the place of the older one. Null: full.
  Known* place(const FileVersion& version) {
    const auto found = files_.find(version.inode);
    if (found == files_.end() && is_full()) return nullptr;
    Known& known = found == files_.end() ? files_[version.inode] : found->second;
    if (known.version != version) known = {version, {}, false};
    return &known;
  }

  std::unordered_map<uint64_t, Known> files_;
};

}  // namespace devrun::home
