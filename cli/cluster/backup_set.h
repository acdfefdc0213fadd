// A backup as it lies in a folder: files as they are in a cluster, SHA256SUMS of them (as sha256sum(1) reads it), and
// manifest.json, which is one of them.
//
//   controller/{journal.db,history.db,accounts.json,enrolment.json}    with keys: seal.key
//   pki/*.crt                                                          with keys: *.key, *.pem
//   cluster/{cluster.json,config.yaml,policy.yaml}, etc/*.yaml         what there is of them
//   elsewhere/PATH                                                     a policy that lies outside of /etc/devrun, by its path
//   store/…                                                            the store's records
//
// Nothing else of the store is in it: no bytes of files, no output of jobs. Blocking.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::cluster {

struct BackupManifest {
  std::string version;  // of devrun
  Time taken;
  uint64_t next_job = 0;
  uint64_t volumes = 0;
  bool keys = false;
  std::map<std::string, Digest> files = {};  // by path in the backup, manifest.json not among them
  uint64_t bytes = 0;                        // of these
};

// Where a configuration file lies in a backup; and whose place that is: empty of what is none.
std::string place_of_configuration(const std::string& file);
std::string configuration_at(const std::string& place);

// Lists what is in the folder, and writes manifest.json and SHA256SUMS; all of it is on disk afterwards.
Status seal_backup(const std::string& folder, BackupManifest& manifest);
// Reads them and all files. kCorrupt names what is not as it was, or without which a backup is none.
Result<BackupManifest> check_backup(const std::string& folder);

// With its mode, or `mode` if that is not 0; durable before it has its name.
Status copy_durably(const std::string& from, const std::string& to, uint32_t mode = 0);
bool have_same_bytes(const std::string& one, const std::string& other);

}  // namespace devrun::cluster
