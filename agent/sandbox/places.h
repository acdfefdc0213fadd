// Where the parts of one attempt lie on its node. Paths only; nothing is looked at.
#pragma once

#include <string>

#include "common/model/ids.h"

namespace devrun::sandbox {

struct Places {
  explicit Places(const std::string& state_folder, const AttemptKey& key)
      : name(folder_name(key)), folder(state_folder + "/attempts/" + name) {}

  std::string name;
  std::string folder;

  std::string in(const char* what) const { return folder + "/" + what; }
  std::string spec() const { return in("spec"); }
  std::string order() const { return in("order"); }  // agent/shim/container_order.h
  std::string bundle() const { return in("bundle"); }
  std::string rootfs() const { return in("bundle/rootfs"); }
  std::string upper() const { return in("upper"); }
  std::string work() const { return in("work"); }
  std::string output() const { return in("output"); }
  std::string files() const { return in("files"); }  // resolv.conf, hosts, hostname
  std::string tmp() const { return in("tmp"); }      // the container's /tmp
  std::string var_tmp() const { return in("var_tmp"); }
  std::string disk() const {
    return in("disk");
  }  // the attempt's own file system, where space is limited
  std::string disk_image() const { return in("disk.img"); }
  std::string bound() const { return in("bound"); }              // places for mounts: bound.h
  std::string site_groups() const { return in("site_groups"); }  // text: of the user's, inside
  std::string served() const {
    return in("served");
  }  // text: those of bound/ that a process serves
  // Text: an id of a folder of node_paths/ and a number, each line; node_upper(number) is merged there.
  std::string node_paths() const { return in("node_paths"); }
  std::string node_upper(size_t n) const { return in("node_upper.") + std::to_string(n); }
  std::string node_work(size_t n) const { return in("node_work.") + std::to_string(n); }
  std::string lower() const { return in("lower"); }  // text: the folder of the tree, live or not
  std::string live_volume() const { return in("live_volume"); }  // text: whose live tree it is
  std::string made() const { return in("made"); }              // text: what was made in a live tree
  std::string run_folder() const { return in("run_folder"); }  // text: what is bound at /run/devrun
  std::string cgroups() const { return in("cgroups"); }        // text: this attempt's, one a line
  std::string shim_process() const { return in("shim.pid"); }
  std::string container_process() const { return in("container.pid"); }
  std::string settled() const { return in("settled"); }
  std::string left() const { return in("left"); }
  std::string reads() const { return in("reads"); }                // of a setup step, encode_reads
  std::string failed_reads() const { return in("failed.reads"); }  // the same of one that failed
  std::string released() const { return in("released"); }          // text: when, in microseconds
};

}  // namespace devrun::sandbox
