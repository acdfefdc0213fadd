#include "common/tree/merge_entry.h"

#include <algorithm>

namespace devrun::tree {

namespace {

// Which side an aspect is taken from.
enum class Side { kNeither, kOurs, kTheirs, kConflict };

Side side_of(bool ours_changed, bool theirs_changed, bool differ) {
  if (!differ || (!ours_changed && !theirs_changed)) return Side::kNeither;
  if (ours_changed && theirs_changed) return Side::kConflict;
  return ours_changed ? Side::kOurs : Side::kTheirs;
}

struct Aspects {
  Side content, mode, owner, xattrs, links;
};

Aspects aspects_of(const Entry& base, const Entry& ours, const Entry& theirs) {
  const Changes here = compare(base, ours);
  const Changes there = compare(base, theirs);
  const Changes between = compare(ours, theirs);
  return {side_of(here.content, there.content, between.content),
          side_of(here.mode, there.mode, between.mode),
          side_of(here.owner, there.owner, between.owner),
          side_of(here.xattrs, there.xattrs, between.xattrs),
          side_of(here.links, there.links, between.links)};
}

bool torn(const Aspects& aspects) {
  return (aspects.content == Side::kOurs && aspects.links == Side::kTheirs) ||
         (aspects.content == Side::kTheirs && aspects.links == Side::kOurs);
}

std::optional<ConflictKind> conflict_of(const Aspects& aspects) {
  if (aspects.content == Side::kConflict) return ConflictKind::kChangedOnBoth;
  if (torn(aspects) || aspects.links == Side::kConflict) return ConflictKind::kLinks;
  for (const Side side : {aspects.mode, aspects.owner, aspects.xattrs}) {
    if (side == Side::kConflict) return ConflictKind::kAttributes;
  }
  return {};
}

// Bytes bring their time along; times alone: the later one.
int64_t mtime_of(Side content, const Entry& ours, const Entry& theirs) {
  if (content == Side::kOurs) return ours.mtime_ns;
  if (content == Side::kTheirs) return theirs.mtime_ns;
  return std::max(ours.mtime_ns, theirs.mtime_ns);
}

Entry mix(const Aspects& aspects, const Entry& ours, const Entry& theirs) {
  Entry out = aspects.content == Side::kTheirs ? theirs : ours;
  out.name = ours.name;
  out.directory = ours.directory;
  const auto from = [&](Side side) -> const Entry& {
    return side == Side::kTheirs ? theirs : ours;
  };
  out.mode = from(aspects.mode).mode;
  out.uid = from(aspects.owner).uid;
  out.gid = from(aspects.owner).gid;
  out.xattrs = from(aspects.xattrs).xattrs;
  out.links = from(aspects.links).links;
  out.mtime_ns = mtime_of(aspects.content, ours, theirs);
  out.ctime_ns = std::max(ours.ctime_ns, theirs.ctime_ns);
  return out;
}

bool same_but_below(const Entry& one, const Entry& other) {
  return !compare(one, other).any();
}

}  // namespace

bool same_entry(const Entry* one, const Entry* other) {
  if (one == nullptr || other == nullptr) return one == other;
  return one->directory == other->directory && same_but_below(*one, *other);
}

MergedEntry merge_entry(const Entry* base, const Entry& ours, const Entry& theirs) {
  const bool comparable = base != nullptr && base->type == ours.type;
  if (!comparable) {
    const Changes between = compare(ours, theirs);
    if (between.content) return {ours, false, ConflictKind::kAddedOnBoth};
    const bool differ = between.mode || between.owner || between.xattrs;
    return {ours, false, differ ? std::optional(ConflictKind::kAttributes) : std::nullopt};
  }
  const Aspects aspects = aspects_of(*base, ours, theirs);
  if (const auto conflict = conflict_of(aspects)) return {ours, false, conflict};
  Entry mixed = mix(aspects, ours, theirs);
  if (same_but_below(mixed, ours)) return {ours, false, {}};
  if (ours.type == EntryType::kDirectory) return {std::move(mixed), false, {}};
  if (same_but_below(mixed, theirs)) {
    Entry taken = theirs;
    return {std::move(taken), false, {}};
  }
  return {std::move(mixed), true, {}};
}

}  // namespace devrun::tree
