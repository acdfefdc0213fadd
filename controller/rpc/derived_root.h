// The storage's part of making the tree that an attempt begins with (core/derive.cc, core/setup_once.cc).
#pragma once

#include "controller/core/effect.h"
#include "controller/core/input.h"
#include "controller/storage/storage.h"

namespace devrun::controller {

// The answer to `wanted`. Blocking.
Derived derived_root(storage::Storage& storage, const DeriveRoot& wanted);

}  // namespace devrun::controller
