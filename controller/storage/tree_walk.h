// Walking many trees that have most of their folders in common, each folder once. Packs are read as
// objects are needed, and only objects that no walk has met yet are held, at most
// kWalkBytesMax of them: so memory follows one tree, not their number. Walk the newest trees first.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "controller/storage/export_files.h"

namespace devrun::storage {

inline constexpr size_t kWalkBytesMax = size_t{256} << 20;

class TreeWalk {
 public:
  // Called for each entry of each folder that is met for the first time; valid during the call.
  using EntrySink = std::function<Status(const tree::Entry&)>;
  // Called now and then, for whoever wants to rest or stop.
  using Step = std::function<Status()>;

  explicit TreeWalk(const ExportFiles& files) : files_(files) {}

  // kCorrupt names a pack or an object that is damaged or missing.
  Status walk(const tree::Manifest& manifest, const EntrySink& sink, const Step& step = {});

 private:
  Result<std::string> take(const Digest& id, const tree::Manifest& manifest, const Step& step);

  const ExportFiles& files_;
  std::unordered_set<Digest> met_;
  std::unordered_set<Digest> packs_read_;
  std::unordered_map<Digest, std::string> objects_;
  size_t bytes_ = 0;
};

}  // namespace devrun::storage
