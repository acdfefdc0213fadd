#include "cli/cluster/ganesha.h"

#include <fmt/format.h>

namespace devrun::cluster {

namespace {

// With clients named, others see no export at all.
std::string clients(const std::vector<std::string>& networks) {
  if (networks.empty()) return {};
  return fmt::format(
      "  CLIENT {{ Clients = {}; Access_Type = RO; Squash = None; SecType = sys; "
      "PrivilegedPort = true; }}\n",
      fmt::join(networks, ", "));
}

}  // namespace

std::string ganesha_config(const GaneshaPlan& plan) {
  // Graceless: our readers hold no state to reclaim. Numeric owners: else they read as nobody.
  // Privileged ports only: jobs cannot bind those. No attribute caching: a folder that was removed and made again
  // would stay missing.
  return fmt::format(R"(NFS_CORE_PARAM {{
  Protocols = 4;
  NFS_Port = {port};
  Bind_addr = {address};
  Enable_NLM = false;
  Enable_RQUOTA = false;
  Enable_UDP = false;
}}
NFS_KRB5 {{ Active_krb5 = false; CCacheDir = {folder}/krb5; }}
NFSV4 {{
  Graceless = true;
  Only_Numeric_Owners = true;
  RecoveryBackend = fs;
  RecoveryRoot = {folder}/recovery;
  Minor_Versions = 0;
}}
MDCACHE {{ Entries_HWMark = 1000000; }}
LOG {{ Default_Log_Level = EVENT; }}
EXPORT {{
  Export_Id = 1;
  Path = {exported};
  Pseudo = /;
  Access_Type = {access};
  Squash = None;
  SecType = sys;
  Transports = TCP;
  PrivilegedPort = true;
  Disable_ACL = true;
  MaxRead = 1048576;
  PrefRead = 1048576;
  Attr_Expiration_Time = 0;
{clients}  FSAL {{ Name = VFS; }}
}}
)",
                     fmt::arg("address", plan.address), fmt::arg("port", plan.port),
                     fmt::arg("folder", plan.folder), fmt::arg("exported", plan.exported),
                     fmt::arg("access", plan.networks.empty() ? "RO" : "NONE"),
                     fmt::arg("clients", clients(plan.networks)));
}

std::vector<std::string> ganesha_words(const std::string& program, const std::string& folder) {
  return {program, "-F",
          "-f",    folder + "/ganesha.conf",
          "-p",    folder + "/ganesha.pid",
          "-L",    folder + "/ganesha.log",
          "-N",    "NIV_EVENT"};
}

std::vector<std::string> ganesha_environment(const std::string& folder) {
  return {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent", "BLKID_FILE=" + folder + "/blkid.tab"};
}

}  // namespace devrun::cluster
