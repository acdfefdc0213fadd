// Making a live tree what a snapshot says: by what differs between the tree that was there and the
// one wanted.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "common/tree/diff.h"
#include "controller/storage/fault.h"
#include "controller/storage/tree_writer.h"
#include "controller/storage/work.h"

namespace devrun::storage {

struct ApplyRequest {
  tree::TreeRef from;                 // what is there
  tree::TreeRef to;                   // what is wanted
  std::span<const std::string> only;  // see diff_trees
};

// Whatever was changed since `from` was taken and differs in neither stays. Ends between two
// entries with kCancelled if the work is stopped.
Status apply_tree(const ApplyRequest& request, TreeWriter& writer, Work& work,
                  const FaultPoint& fault);

// Adds all that is in the folder `source` at `to` ("" is the root) of the writer's tree.
Status add_folder(int source, const std::string& to, TreeWriter& writer, Work& work,
                  const FaultPoint& fault);

}  // namespace devrun::storage
