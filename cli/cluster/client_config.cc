#include "cli/cluster/client_config.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "cli/cluster/keys.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace fs = std::filesystem;

namespace {

std::string link_path() {
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr || *home == '\0' ? "/root" : home) +
         "/.config/devrun/config.yaml";
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Status write_client_config(const Layout& layout, const std::string& controller) {
  const KeyFiles admin = key_files(layout, "admin");
  return write_file_durably(
      layout.client_config(),
      fmt::format("# Written by devrun. The administrator of this cluster.\n"
                  "controller: {}\nca: {}\ncert: {}\nkey: {}\n",
                  controller, authority_file(layout), admin.certificate, admin.key));
}

Result<bool> link_client_config(const Layout& layout) {
  if (const std::string chosen = variable("DEVRUN_CONFIG"); !chosen.empty()) {
    std::error_code failed;
    return fs::equivalent(chosen, layout.client_config(), failed);
  }
  const std::string link = link_path();
  std::error_code failed;
  const fs::file_status status = fs::symlink_status(link, failed);
  if (fs::exists(status)) {
    if (fs::equivalent(link, layout.client_config(), failed)) return true;
    // A file of the user's own, or the link to another cluster that is still there.
    if (!fs::is_symlink(status) || fs::exists(link, failed)) return false;
    fs::remove(link, failed);
  }
  TRY(make_folders(fs::path(link).parent_path().string(), 0700));
  fs::create_symlink(layout.client_config(), link, failed);
  if (failed) return Error{Code::kIo, fmt::format("link {}: {}", link, failed.message()), {}};
  return true;
}

void unlink_client_config(const Layout& layout) {
  std::error_code failed;
  const std::string link = link_path();
  if (fs::read_symlink(link, failed) == layout.client_config() && !failed) fs::remove(link, failed);
}

}  // namespace devrun::cluster
