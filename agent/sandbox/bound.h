// Folders from elsewhere that an attempt has in its tree: node paths, live paths, the node's own
// mounts, and the job's shared folder. Each is made ready at ATTEMPT/bound/N in the node's
// namespace, or is a folder of the host; config.json then binds it into the container.
#pragma once

#include <string>
#include <vector>

#include "agent/sandbox/places.h"
#include "common/base/result.h"
#include "common/model/attempt.h"
#include "common/runtime/fd.h"

namespace devrun::sandbox {

struct BoundFolder {
  std::string target;  // in the container
  std::string source;  // on the node
  bool writable = true;
  bool with_submounts = false;
};

// `path` below a tree's root, whatever its links say; no descriptor if there is no such folder.
UniqueFd open_in_tree(int root, const std::string& path);
// The same of a folder or file.
UniqueFd open_any_in_tree(int root, const std::string& path);

// The next of the attempt's places for a mount, made: a folder, or a file for a file.
Result<std::string> make_bound(const Places& places, bool folder = true);
// Whoever waits for a served mount of the attempt, in a file system behind it that does not answer, gets an error instead, and
// so can die. Nothing of these mounts works afterwards. False: there are none.
bool abort_served(const Places& places);
// Unmounts them all, and removes the places. Idempotent.
Status remove_bound(const Places& places);

// Where these are in the container: the places of all that an attempt may have from elsewhere.
std::vector<std::string> places_of_bound(const AttemptSpec& spec,
                                         const std::vector<std::string>& of_site);
// Of an upper, once nothing is mounted any more: the empty folders and files that were made for these places,
// and those on the way that hold nothing else, so that of a job that wrote nothing nothing is left.
void prune_places(const std::string& upper, const std::vector<std::string>& places);

}  // namespace devrun::sandbox
