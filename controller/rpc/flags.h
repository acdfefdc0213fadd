// What devrun-controller's command line says about leases, retries, collecting and checking.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "controller/core/state.h"
#include "controller/rpc/collecting.h"
#include "controller/rpc/joining.h"
#include "controller/storage/fsck.h"

namespace devrun::controller {

void add_policy_flags(CLI::App& app, Policy& out);
void add_archive_flags(CLI::App& app, ArchiveOptions& out);
void add_collecting_flags(CLI::App& app, CollectOptions& out);

// Files whose content goes into JoiningOptions.
struct JoiningFiles {
  std::string authority_key;
  std::string settings;
};
void add_joining_flags(CLI::App& app, JoiningOptions& out, JoiningFiles& files);
// Empty names are left out.
Status read_joining_files(const JoiningFiles& files, JoiningOptions& out);

// Tells on stdout what is damaged; the exit status: 0 for a whole store, 1 for a damaged one.
int check_and_tell(const std::string& store, const storage::CheckOptions& options);

// Puts a backup's records into a store (storage/store_records.h) and says on stdout what came of it; the exit status.
int put_and_tell(const std::string& folder, const std::string& store);

}  // namespace devrun::controller
