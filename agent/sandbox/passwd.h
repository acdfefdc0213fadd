// Who the node's own passwd, local or of the site (LDAP, SSSD), says that somebody is. Asked of getent, since a static
// program cannot load what glibc asks for it.
#pragma once

#include <functional>
#include <string>

#include "common/base/result.h"
#include "common/model/site_identity.h"

namespace devrun::sandbox {

// kNotFound: the node knows no such name; kInvalid: it is root, or an account of the system's (below 1000), since a
// devrun user of that name is somebody else. What was found holds for a minute. Any thread; may take as long as the
// site's directory does.
using Passwd = std::function<Result<SiteIdentity>(const std::string& user)>;
Passwd passwd_of_node();

// From what `getent passwd NAME` and `getent initgroups NAME` print. Without root's group, which means nothing here. Pure.
Result<SiteIdentity> identity_from_getent(const std::string& passwd, const std::string& groups);

}  // namespace devrun::sandbox
