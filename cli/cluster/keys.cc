#include "cli/cluster/keys.h"

#include <filesystem>

#include "common/runtime/file.h"
#include "common/runtime/pki.h"

namespace devrun::cluster {

namespace {

constexpr int kAuthorityDays = 7300;
constexpr int kCertificateDays = 3650;

bool both_exist(const KeyFiles& files) {
  std::error_code failed;
  return std::filesystem::exists(files.certificate, failed) &&
         std::filesystem::exists(files.key, failed);
}

// The key first: a certificate on disk means that its key is there.
Status write_pair(const KeyFiles& files, const Pem& pem) {
  TRY(write_file_durably(files.key, pem.key, 0600));
  return write_file_durably(files.certificate, pem.certificate, 0644);
}

Result<Pem> ensure_authority(const Layout& layout, bool& made) {
  const KeyFiles files = key_files(layout, "ca");
  made = !both_exist(files);
  if (made) {
    Pem pem = TRY(make_authority("devrun cluster " + layout.folder.substr(0, 40), kAuthorityDays));
    TRY(write_pair(files, pem));
    return pem;
  }
  return Pem{TRY(read_file(files.certificate)), TRY(read_file(files.key))};
}

}  // namespace

KeyFiles key_files(const Layout& layout, const std::string& name) {
  return {layout.pki() + "/" + name + ".crt", layout.pki() + "/" + name + ".key"};
}

std::string authority_file(const Layout& layout) {
  return key_files(layout, "ca").certificate;
}

Status ensure_keys(const Layout& layout, const std::vector<std::string>& nodes) {
  TRY(make_folders(layout.pki(), 0700));
  bool new_authority = false;
  const Pem authority = TRY(ensure_authority(layout, new_authority));
  const auto ensure = [&](const std::string& file, const Certified& who,
                          const std::vector<std::string>& hosts) -> Status {
    const KeyFiles files = key_files(layout, file);
    if (!new_authority && both_exist(files)) return ok();
    return write_pair(files, TRY(issue_certificate(authority, who, hosts, kCertificateDays)));
  };
  TRY(ensure("controller", {Role::kController, "controller"}, {"127.0.0.1", "localhost"}));
  TRY(ensure("admin", {Role::kAdmin, "root"}, {}));
  for (const std::string& node : nodes) TRY(ensure(node, {Role::kNode, node}, {}));
  return ok();
}

}  // namespace devrun::cluster
