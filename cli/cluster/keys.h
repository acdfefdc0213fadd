// The cluster's keys on disk: pki/ca.{crt,key}, controller.{crt,key}, one pair per node,
// admin.{crt,key}; keys 0600.
#pragma once

#include <string>
#include <vector>

#include "cli/cluster/layout.h"
#include "common/base/result.h"

namespace devrun::cluster {

struct KeyFiles {
  std::string certificate;
  std::string key;
};
KeyFiles key_files(const Layout& layout, const std::string& name);
std::string authority_file(const Layout& layout);

// kConflict: the authority's certificate is there without its key.
Status check_authority(const Layout& layout);

// Makes those that are missing. `hosts`: names and addresses at which the controller is reached, besides this machine's own; one that
// it is not certified for yet makes its certificate anew.
Status ensure_keys(const Layout& layout, const std::vector<std::string>& nodes,
                   const std::vector<std::string>& hosts = {});

}  // namespace devrun::cluster
