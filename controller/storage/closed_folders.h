// Folders that were closed to a job's user since the job began: what it wrote there does not come home by itself, for it could not
// have written it now. Where its user could not write at the beginning either, the job had other rights (sudo), and has them still.
// Judged by owner, group and mode as trees tell them. One thread.
#pragma once

#include <map>
#include <string>

#include "common/base/result.h"
#include "common/model/job.h"
#include "controller/storage/tree_set.h"

namespace devrun::storage {

class ClosedFolders {
 public:
  // All of these outlive it. `base`: the root of what the job began with; `now`: of the volume.
  ClosedFolders(TreeSet& trees, const tree::Entry& base, const tree::Entry& now, const Caller& user)
      : trees_(trees), base_(base), now_(now), user_(user) {}

  // Whether one of the folders that lead to `path` ("root/proj/x") is closed to the user now.
  Result<bool> hold(const std::string& path);

 private:
  struct Way {
    bool passable = true;  // to what is in it
    bool writable = true;
  };
  Result<Way> way_into(const std::string& folder);
  bool may(const tree::Entry& folder, uint32_t rights) const;

  TreeSet& trees_;
  const tree::Entry& base_;
  const tree::Entry& now_;
  const Caller& user_;
  std::map<std::string, Way> known_;
};

}  // namespace devrun::storage
