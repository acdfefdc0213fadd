// The bodies of files in the store's export: small ones go into the directory object, others become
// content/ab/<hash>, made once whoever asks: a reflink where the file system can, else a copy. Any
// thread.
//
// A content file is complete whenever it has its name, also after a crash:
//  - `put` fills it while it has none, and btrfs commits clones and names in order;
//  - `take`, for file systems that do not, leaves it without one, or with one in content/new, and
//    `sync` names it once it is on disk. What lies in content/new after a crash is nobody's.
// Large files are cloned under a name that does not depend on their bytes, content/p/<id>, where the
// file system can, and hashed later (provisional.h).
// The chunk list of a body of `put` is data and is not: its size tells (readers and `put` check it),
// and `sync` makes it durable.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/tree/tree.h"
#include "controller/storage/provisional.h"
#include "controller/storage/recent_uses.h"
#include "controller/storage/twin_file.h"

namespace devrun::storage {

inline constexpr uint64_t kProvisionalBytesMin = 64 << 20;

class Bodies {
 public:
  // Files of `provisional_bytes_min` bytes and more get provisional bodies.
  explicit Bodies(std::string export_path, uint64_t provisional_bytes_min = kProvisionalBytesMin);

  // The body of the first `size` bytes of `file`, which nobody changes meanwhile; its content is in
  // the store then. `provisional_id`, 16 bytes, is its name if it is to be provisional, and belongs
  // to this state of this file alone. `twin`: where its bytes may be read faster. For stores on
  // btrfs.
  Result<tree::Body> put(int file, uint64_t size, const std::string& provisional_id,
                         const TwinFile* twin = nullptr);

  // The same of a file that somebody may be changing. `held_still` is asked once its bytes are
  // captured: whether the file changed since before the call. kConflict if it did. Nobody finds the
  // content before `sync`.
  Result<tree::Body> take(int file, uint64_t size, const std::function<bool()>& held_still);

  // An unnamed file (see below) that holds a body already. Nobody finds it before `sync`.
  Status take_hashed(UniqueFd content, const tree::Body& body, const std::string& chunk_hashes);
  // Whether the store has it, from now on for the builds that are under way.
  bool has(const tree::Body& body, uint64_t size);

  // Of a provisional body that a failed build made and nobody else knows of: its bytes, perhaps what
  // filled the store, are given back at once.
  void drop_clone(const tree::Body& body);

  // Hashes provisional bodies.
  ProvisionalHasher& hasher() { return hasher_; }
  // What a provisional body is called by content, if it was hashed and its content is in the store:
  // whoever collects may have taken that away before any tree referred to it; then it is made again.
  std::optional<tree::Body> hashed(const ProvisionalFile& file);

  // The content of all bodies that were taken, and the chunk lists of all that were put, before the
  // call are on disk under their names when it returns. `losses`: as losses() told before the first of the caller's. kIo:
  // something that was taken since could not be written and is gone, so that it has to be taken again.
  Status sync(uint64_t losses);
  uint64_t losses() const { return losses_; }

  // A file on the store that is gone when it is closed.
  Result<UniqueFd> unnamed_file() const;

  // At start: deletes what a crash left in content/new.
  Status remove_unnamed();
  // What builds refer to, for the collector; what is put is noted there.
  RecentUses& uses() { return uses_; }

 private:
  Status place(int file, uint64_t size, const tree::Body& body, const std::string& chunk_hashes);
  Status place_chunk_list(const std::string& path, const std::string& chunk_hashes);
  bool try_clone(int file, int clone);
  Result<bool> place_clone(int file, const tree::Body& body);
  Result<tree::Body> name_by_content(const tree::Body& provisional, uint64_t size,
                                     const std::function<bool()>& stopping);
  // What has its bytes, and is to be named once they are on disk.
  struct Staged {
    UniqueFd file;     // held open while not too many are
    std::string path;  // in content/new; empty: it has no name
  };
  Status stage(UniqueFd content, const std::string& final_path);
  Result<std::string> name_for_now(const UniqueFd& content, const std::string& final_path) const;
  Status sync_staged(std::map<std::string, Staged>& staged) const;
  Status sync_all(const std::map<std::string, Staged>& staged) const;
  Status name_finally(Staged& one, const std::string& final_path) const;
  Status name_all(std::map<std::string, Staged>& staged) const;
  static void let_go(const std::map<std::string, Staged>& staged);
  Status sync_chunk_lists();
  Status name_staged();

  const std::string export_path_;
  const uint64_t provisional_bytes_min_;
  std::atomic<bool> takes_ = false;  // `take` is what this store uses
  std::atomic<bool> clones_ = true;  // until the file system says that it cannot
  RecentUses uses_;
  std::atomic<uint64_t> losses_ = 0;  // how often staged files were let go
  std::mutex sync_mutex_;  // held through a sync, so that a second one does not overtake it
  std::mutex mutex_;       // guards the lists
  std::vector<std::string> unsynced_;     // absolute paths
  std::map<std::string, Staged> staged_;  // by where it will be
  ProvisionalHasher hasher_;              // the last: its thread uses the others
};

}  // namespace devrun::storage
