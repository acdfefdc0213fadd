// The people of the cluster: their roles, and the groups that volumes are shared with. In accounts.json of the
// controller's folder, written durably before anything is answered. Certificates are not here: enrolment grants and
// revokes them, and one whose name and role stand here no more is refused all the same.
//
// The administrator whom `devrun up` makes, `root`, is none of them: whoever has that key has the authority's, too.
//
// Any thread: who only looks waits for no disk.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/site_identity.h"
#include "common/runtime/pki.h"

namespace devrun::controller {

inline constexpr std::string_view kBuiltInAdmin = "root";
inline constexpr size_t kUsersMax = 10'000;
inline constexpr size_t kGroupsOfUserMax = 64;

struct UserAccount {
  Role role = Role::kUser;  // or kAdmin, kReader
  std::set<std::string> groups = {};
  Time added = {};
  std::optional<SiteIdentity> site = {};  // none: as each node's passwd has the name
  bool operator==(const UserAccount&) const = default;
};
using AccountMap = std::map<std::string, UserAccount>;

class Accounts {
 public:
  // A file that is not understood lets nobody in: kCorrupt.
  static Result<std::unique_ptr<Accounts>> open(std::string file);

  // kInvalid for a bad name, role or group; kExists.
  Status add(const std::string& name, const UserAccount& account);
  // kNotFound with the nearest name, as of the calls below.
  Status remove(const std::string& name);
  Result<UserAccount> change_groups(const std::string& name, const std::set<std::string>& join,
                                    const std::set<std::string>& leave);

  Result<UserAccount> change_site(const std::string& name, std::optional<SiteIdentity> site);

  Result<UserAccount> find(const std::string& name) const;
  AccountMap all() const;
  std::set<std::string> groups_of(const std::string& name) const;
  // Whether a certificate of that role and name may be somebody's. Nodes' and the controller's are no matter of this.
  bool knows(const Certified& who) const;
  bool is_there(const std::string& name) const;
  std::optional<SiteIdentity> site_of(const std::string& name) const;
  bool is_admin(const std::string& name) const;
  bool is_reader(const std::string& name) const;

 private:
  explicit Accounts(std::string file) : file_(std::move(file)) {}
  bool has_role(const std::string& name, Role role) const;
  Status keep(AccountMap people);  // with changing_

  const std::string file_;
  std::mutex changing_;  // held while the file is written; before mutex_
  mutable std::shared_mutex mutex_;
  AccountMap people_;  // written with both
};

// [a-z0-9][a-z0-9._-]{0,31}: of users and groups.
bool is_account_name(std::string_view name);
// Of a share: a user's, or @ and a group's. kInvalid.
Status check_share_name(const std::string& with);

// accounts.json (accounts_codec.cc).
std::string accounts_to_json(const AccountMap& people);
Result<AccountMap> accounts_of_json(const std::string& text, const std::string& file);

}  // namespace devrun::controller
