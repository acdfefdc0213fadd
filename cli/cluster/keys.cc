#include "cli/cluster/keys.h"

#include <fmt/format.h>

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
  TRY(check_authority(layout));
  const KeyFiles files = key_files(layout, "ca");
  made = !both_exist(files);
  if (made) {
    Pem pem = TRY(make_authority("devrun cluster " + layout.folder.substr(0, 40), kAuthorityDays));
    TRY(write_pair(files, pem));
    return pem;
  }
  return Pem{TRY(read_file(files.certificate)), TRY(read_file(files.key))};
}

// Which names the controller's certificate says, one a line.
std::string names_file(const Layout& layout) {
  return layout.pki() + "/controller.names";
}

// With other names than the certificate has, it is in the way.
Status ensure_names(const Layout& layout, const std::vector<std::string>& hosts) {
  const std::string wanted = fmt::format("{}\n", fmt::join(hosts, "\n"));
  const Result<std::string> before = read_file(names_file(layout));
  if ((before ? *before : "\n") == wanted) return ok();
  std::error_code failed;
  std::filesystem::remove(key_files(layout, "controller").certificate, failed);
  return write_file_durably(names_file(layout), wanted);
}

}  // namespace

Status check_authority(const Layout& layout) {
  const KeyFiles files = key_files(layout, "ca");
  std::error_code failed;
  // The certificate is written last: alone, it is a node's, or the key was put away. A new authority would lock everybody
  // out.
  if (both_exist(files) || !std::filesystem::exists(files.certificate, failed)) return ok();
  return Error{Code::kConflict,
               fmt::format("{} is there without its key: this machine belongs to another cluster, "
                           "or the key was put away",
                           files.certificate),
               "devrun up --store DIR for a cluster of its own, or bring back the key"};
}

KeyFiles key_files(const Layout& layout, const std::string& name) {
  return {layout.pki() + "/" + name + ".crt", layout.pki() + "/" + name + ".key"};
}

std::string authority_file(const Layout& layout) {
  return key_files(layout, "ca").certificate;
}

Status ensure_keys(const Layout& layout, const std::vector<std::string>& nodes,
                   const std::vector<std::string>& hosts) {
  TRY(make_folders(layout.pki(), 0700));
  bool new_authority = false;
  const Pem authority = TRY(ensure_authority(layout, new_authority));
  const auto ensure = [&](const std::string& file, const Certified& who,
                          const std::vector<std::string>& names) -> Status {
    const KeyFiles files = key_files(layout, file);
    if (!new_authority && both_exist(files)) return ok();
    return write_pair(files, TRY(issue_certificate(authority, who, names, kCertificateDays)));
  };
  TRY(ensure_names(layout, hosts));
  std::vector<std::string> names = {"127.0.0.1", "localhost"};
  names.insert(names.end(), hosts.begin(), hosts.end());
  TRY(ensure("controller", {Role::kController, "controller"}, names));
  TRY(ensure("admin", {Role::kAdmin, "root"}, {}));
  for (const std::string& node : nodes) TRY(ensure(node, {Role::kNode, node}, {}));
  return ok();
}

}  // namespace devrun::cluster
