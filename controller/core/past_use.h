// What a user's archived jobs have used together (account.h), as it counted at that time.
#pragma once

#include "common/base/time.h"

namespace devrun::controller {

struct PastUse {
  double usage = 0;  // weighted seconds, decayed to `as_of`
  Time as_of;
  bool operator==(const PastUse&) const = default;
};

}  // namespace devrun::controller
