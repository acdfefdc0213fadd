// Users, groups and shares as the commands see them (proto/devrun/v1/access.proto). Blocking; errors as Controller's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/client/quota_record.h"
#include "cli/client/target.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/site_identity.h"

namespace devrun::cli {

struct UserToken {
  std::string token;
  std::string join;  // HOST:PORT where it is good
  Time until;
  std::vector<std::string> volumes;  // that belong to this name already
};
struct NewUser {
  std::string name;
  std::string role;  // empty: user
  std::vector<std::string> groups;
  Duration valid;                         // of the token; 0: the controller's default
  std::optional<SiteIdentity> site = {};  // none: as each node's passwd has the name
};
Result<UserToken> add_user(const Target& controller, const NewUser& user);
// `refuse_earlier`: certificates and tokens of until now.
Result<UserToken> give_token(const Target& controller, const std::string& name, Duration valid,
                             bool refuse_earlier);

struct RemovedUser {
  std::vector<JobId> jobs;  // that have not ended
  std::vector<std::string> volumes;
};
Result<RemovedUser> remove_user(const Target& controller, const std::string& name);

struct UserRecord {
  std::string name;
  std::string role;
  std::vector<std::string> groups;
  Time added;
  Time certificate_until;  // 0: none was granted
  QuotaRecord quota = {};  // of list_users alone
  std::optional<SiteIdentity> site = {};
};
Result<std::vector<UserRecord>> list_users(const Target& controller);
Result<UserRecord> change_groups(const Target& controller, const std::string& name,
                                 const std::vector<std::string>& join,
                                 const std::vector<std::string>& leave);

// None: as each node's passwd has the name.
Result<UserRecord> change_site_identity(const Target& controller, const std::string& name,
                                        const std::optional<SiteIdentity>& site);

enum class ShareFor { kNothing, kReading, kWriting };
struct SharesRecord {
  std::string volume;
  std::vector<std::pair<std::string, std::string>> shares;  // with whom, and for what: read, write
};
// With nobody named nothing is changed. With whom it is shared then.
Result<SharesRecord> share_volume(const Target& controller, const std::string& volume,
                                  const std::string& with, ShareFor access);

}  // namespace devrun::cli
