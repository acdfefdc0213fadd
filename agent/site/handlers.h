// The answers to the kernel's questions about a served folder (folder_server.h): libfuse's low-level callbacks.
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "agent/site/folder_server.h"
#include "agent/site/site_nodes.h"

namespace devrun::site {

// What each callback finds as its user data.
struct Served {
  SiteNodes nodes;
  SiteIdentity who;
  Inside inside;

  // What is the user's is the caller's inside; what another has whose number is the caller's own is nobody's.
  void show(struct stat& about) const;
  uint32_t uid_outside(uint32_t uid) const { return uid == inside.uid ? who.uid : uid; }
  uint32_t gid_outside(uint32_t gid) const { return gid == inside.gid ? who.gid : gid; }
};

inline constexpr double kBelievedSeconds = 1.0;

Served& served(fuse_req_t request);
// The entry's descriptor, or an answer of ESTALE and null.
std::shared_ptr<const Node> node_of(fuse_req_t request, fuse_ino_t number);
// Its name below /proc, for calls that take no descriptor of O_PATH.
std::string link_to(int fd);

// Entries and names (handlers_names.cc), files and folders that are open (handlers_open.cc).
void add_name_handlers(fuse_lowlevel_ops& operations);
void add_open_handlers(fuse_lowlevel_ops& operations);

// Looks the entry up and answers with it; with `open`, as one that was made and opened. Whether the kernel has taken it.
bool answer_entry(fuse_req_t request, fuse_ino_t parent, const char* name,
                  const fuse_file_info* open = nullptr);

}  // namespace devrun::site
