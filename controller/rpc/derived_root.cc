#include "controller/rpc/derived_root.h"

#include <fmt/format.h>

namespace devrun::controller {

namespace {

// The step has run for this very tree: what it left, if it left anything.
Result<Digest> left_by(storage::Storage& storage, const DeriveRoot::Setup& setup,
                       const Digest& begun_with) {
  const Result<storage::ChangeSet> set = storage.change_set(*setup.ran);
  if (!set && set.error().code == Code::kNotFound) return begun_with;
  if (!set) return set.error();
  if (set->complete) return set->left;
  return Error{Code::kUnavailable, "what its setup wrote has not come from its node",
               fmt::format("devrun apply {}", setup.ran->job)};
}

}  // namespace

Derived derived_root(storage::Storage& storage, const DeriveRoot& wanted) {
  Derived out{wanted.task, wanted.attempt, wanted.base};
  if (!wanted.over.empty()) {
    const storage::Laid laid = wanted.attempt > 1 ? storage::Laid::kTaken : storage::Laid::kLeft;
    out.tree = storage.derive_tree(wanted.volume, wanted.base, wanted.over, laid);
  }
  if (!out.tree || !wanted.setup) return out;
  const DeriveRoot::Setup& setup = *wanted.setup;
  const Digest plain = *out.tree;
  if (setup.ran) {
    out.tree = left_by(storage, setup, setup.began_with);
    out.setup = Derived::Setup{SetupHow::kHit, plain, setup.ran->job, {}};
    return out;
  }
  Result<storage::SetupFound> found =
      storage.find_setup({wanted.volume, plain, setup.which, setup.home});
  if (!found) {
    out.tree = std::move(found).error();
    return out;
  }
  out.tree = found->tree;
  out.setup = Derived::Setup{found->how, plain, found->from, std::move(found->why)};
  return out;
}

}  // namespace devrun::controller
