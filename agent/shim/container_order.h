// What a container's init is to run, in the file `order` of the attempt's folder, which the shim passes on as a
// descriptor. It does not go through crun's config.json, because words and environment are bytes, which JSON cannot carry,
// and because secrets need not lie in one more place. Sessions (container_init.h) have one each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::shim {

struct ContainerOrder {
  std::string cwd = "/";
  std::vector<std::string> setup;  // empty: none
  std::vector<std::string> argv;
  std::vector<std::string> env;  // NAME=VALUE
  bool tty = false;
  TerminalSize terminal;
  bool reads_stdin = false;
  uint32_t uid = 0;  // whose the streams are, so that the program can open /dev/stdout
  uint32_t gid = 0;
  // Runs beside setup and program, and ends with the container. While it does, the container of a program that has ended
  // with status 0 stays until kOrderFirstRankEnded, if it `stays`.
  std::vector<std::string> helper = {};
  bool stays = false;
  bool idle = false;         // no program (argv is empty): reap, and live until told to end
  bool changes_ids = false;  // init is root, and the program is `uid`, `gid`, `groups`, `umask`
  std::vector<uint32_t> groups = {};
  uint32_t umask = 022;
  bool operator==(const ContainerOrder&) const = default;
};

std::string encode(const ContainerOrder& order);
Result<ContainerOrder> parse_container_order(std::string_view bytes);

}  // namespace devrun::shim
