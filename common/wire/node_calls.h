// What the programs of one node say to the keeper and to devrun-fs (proto/devrun/v1/node.proto), as
// values. Each encode() gives the payload of one frame; each decode refuses what no version of ours
// sends (kInvalid).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"

namespace devrun::wire {

// The first message each way on every connection.
struct Greeting {
  std::string program;
  std::string version;
};

// The peer could not do it.
struct Refusal {
  Error error;
};

struct KeeperGet {
  std::string name;
};
struct KeeperPut {
  std::string name;
};
struct KeeperStop {};
struct KeeperRun {
  std::vector<std::string> words;
  std::string log;
  std::string pid_file;
};
struct KeeperLook {};
using KeeperCall = std::variant<Greeting, KeeperGet, KeeperPut, KeeperStop, KeeperRun, KeeperLook>;

struct KeeperDone {
  std::string mounted_at;  // of a FUSE descriptor, else empty
};
// What the program that the keeper runs does.
struct KeeperSeen {
  uint32_t pid = 0;      // 0: it does not run just now
  uint64_t starts = 0;   // 0: there is none to run
  std::string given_up;  // why it is not started again; empty: it is
};
using KeeperAnswer = std::variant<Greeting, KeeperDone, KeeperSeen, Refusal>;

std::string encode(const KeeperCall& call);
Result<KeeperCall> decode_keeper_call(std::string_view payload);
std::string encode(const KeeperAnswer& answer);
Result<KeeperAnswer> decode_keeper_answer(std::string_view payload);

struct FsRun {
  std::string id;                   // unique on the node; empty: none
  std::vector<std::string> traces;  // paths in the export
  bool operator==(const FsRun&) const = default;
};
inline constexpr int kFsRunTracesMax = 4;
struct FsPrepareTree {
  Digest tree;
  std::vector<Digest> change_sets;
  FsRun run = {};
  std::string watch = {};  // what is asked of it is noted under that name; empty: it is not
};
struct FsCount {};
struct FsEndRun {
  std::string id;
};
struct FsWatched {  // answered by FsTrace, or Refusal
  std::string id;
};
using FsCall = std::variant<Greeting, FsPrepareTree, FsCount, FsEndRun, FsWatched>;

struct FsTreePath {
  std::string path;  // the whole tree
  // Lower layers of an overlay that looks like it, topmost first; empty: `path` alone.
  std::vector<std::string> layers = {};
};
using FsCounted = std::map<std::string, uint64_t>;
struct FsTrace {
  std::string bytes;  // encode_trace, empty: nothing new; or encode_reads
};
using FsAnswer = std::variant<Greeting, FsTreePath, FsCounted, FsTrace, Refusal>;

std::string encode(const FsCall& call);
Result<FsCall> decode_fs_call(std::string_view payload);
std::string encode(const FsAnswer& answer);
Result<FsAnswer> decode_fs_answer(std::string_view payload);

}  // namespace devrun::wire
