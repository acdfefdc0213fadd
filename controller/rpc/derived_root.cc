#include "controller/rpc/derived_root.h"

#include <fmt/format.h>

#include <algorithm>

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

// Without what those wrote that keep it to themselves, but for what was applied of it.
Result<Digest> volume_tree(storage::Storage& storage, const DeriveRoot& wanted,
                           const Digest& given) {
  std::vector<storage::Layer> over;
  for (const AttemptKey& key : wanted.over) {
    const bool kept = std::ranges::find(wanted.kept, key) != wanted.kept.end();
    over.push_back({key, kept ? storage::Laid::kTaken : storage::Laid::kLeft});
  }
  const Digest& base = wanted.volume_tree.is_zero() ? wanted.base : wanted.volume_tree;
  return storage.derive_volume_tree(wanted.volume, base, over, given);
}

}  // namespace

Derived derived_root(storage::Storage& storage, const DeriveRoot& wanted) {
  Derived out{wanted.task, wanted.attempt, wanted.base};
  if (!wanted.over.empty()) {
    const storage::Laid laid = wanted.attempt > 1 ? storage::Laid::kTaken : storage::Laid::kWhole;
    std::vector<storage::Layer> over;
    for (const AttemptKey& key : wanted.over) over.push_back({key, laid});
    out.tree = storage.derive_tree(wanted.volume, wanted.base, over);
    const bool has_more = !wanted.kept.empty() || !wanted.volume_tree.is_zero();
    if (out.tree && has_more) {
      const Result<Digest> of_volume = volume_tree(storage, wanted, *out.tree);
      if (of_volume) {
        out.volume_tree = *of_volume;
      } else {
        out.tree = of_volume.error();
      }
    }
  }
  if (!out.tree || !wanted.setup) return out;
  const DeriveRoot::Setup& setup = *wanted.setup;
  const Digest plain = *out.tree;
  if (setup.ran) {
    out.tree = left_by(storage, setup, setup.began_with);
    out.setup = Derived::Setup{SetupHow::kHit, plain, setup.ran->job, {}};
    return out;
  }
  storage::SetupWish wish{wanted.volume, plain, setup.which, setup.home};
  if (setup.failed) {
    wish.failed = storage::FailedSetup{*setup.failed, setup.failed_from, setup.began_with};
  }
  Result<storage::SetupFound> found = storage.find_setup(wish);
  if (!found) {
    out.tree = std::move(found).error();
    return out;
  }
  out.tree = found->tree;
  out.setup = Derived::Setup{found->how, plain, found->from, std::move(found->why), found->stands};
  return out;
}

}  // namespace devrun::controller
