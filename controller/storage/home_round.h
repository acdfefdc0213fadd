// One round of storing what an attempt wrote (home.h): the entries of its upper as they are told, the
// bodies that the store lacks as they come, and then the trees that follow.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/tree/upper.h"
#include "controller/storage/homing.h"
#include "controller/storage/incoming_body.h"
#include "controller/storage/linked_names.h"
#include "controller/storage/recent_uses.h"

namespace devrun::storage {

inline constexpr uint64_t kRoundEntriesMax = 4'000'000;
// Of one file, most of which may be holes: the names of its chunks take 128 MB.
inline constexpr uint64_t kFileBytesMax = uint64_t{4} << 40;

class StoringRound final : public HomeRound {
 public:
  // `volume` and the mutex, which is held while its live tree is written, live as long as the round.
  static Result<std::unique_ptr<StoringRound>> begin(HomeStart start, const HomingParts& parts,
                                                     std::shared_ptr<Volume> volume,
                                                     std::shared_ptr<std::mutex> homing);

  Result<std::vector<uint64_t>> add(std::vector<UpperItem> items) override;
  Status bytes(uint64_t entry, std::string_view data, bool last) override;
  Status zeros(uint64_t entry, uint64_t count) override;
  Status unsent(uint64_t entry) override;
  Status reads(std::string_view data, ReadsOf of) override;
  Result<HomeSummary> finish() override;

 private:
  // An entry whose bytes are awaited; its place in the upper does not move once it is complete.
  struct Wanted {
    std::string path;
    uint64_t size = 0;
    tree::Body expected;  // empty: whatever they are
  };

  StoringRound(HomeStart start, const HomingParts& parts, std::shared_ptr<Volume> volume,
               std::shared_ptr<std::mutex> homing);
  Result<tree::UpperFolder*> folder_for(const std::string& path);
  Result<bool> add_one(UpperItem item);
  Result<Wanted*> incoming(uint64_t entry);
  tree::UpperEntry* find(const std::string& path);
  Result<ChangeSet> lay(TreeSet& trees);
  Result<tree::Entry> without_given(TreeSet& trees, const tree::Entry& tree);
  Result<Digest> root_without_given(TreeSet& trees);
  void keep_setup(const ChangeSet& set);
  void keep_failed_reads();
  std::vector<CopiedUp> copied_up();
  Result<HomeSummary> summary(TreeSet& trees, const ChangeSet& set);

  const HomeStart start_;
  const HomingParts parts_;
  const std::shared_ptr<Volume> volume_;
  const std::shared_ptr<std::mutex> homing_;
  const RecentUses::Build build_;  // spares what the round refers to
  const uint64_t losses_;          // as Bodies::sync has it
  tree::Manifest root_;
  tree::Lineage lineage_{};  // of the upper's entries
  std::optional<tree::Entry> upper_root_;
  tree::UpperFolder upper_;
  // The folders that the last entry is in, outermost first.
  std::vector<std::pair<std::string, tree::UpperFolder*>> open_;
  uint64_t entries_ = 0;
  std::string reads_;    // of a setup step; empty: nothing was told
  bool failed_ = false;  // with `reads_`: of one that failed
  std::vector<std::string> left_out_;
  std::vector<std::string> copied_up_;  // with several names in the upper's own or the lower tree
  std::map<uint64_t, Wanted> wanted_;   // by place
  std::optional<std::pair<uint64_t, IncomingBody>> incoming_;
};

}  // namespace devrun::storage
