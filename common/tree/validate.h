// What makes an entry, a directory or a manifest right, besides its bytes being canonical. One list
// of rules for the writer (which CHECKs them) and the reader (which refuses with kCorrupt).
#pragma once

#include <string>

#include "common/tree/tree.h"

namespace devrun::tree {

// Empty if right, else what is wrong ("entry 'a/b': a name with '/'").
std::string problem_of(const Entry& entry);
std::string problem_of(const Directory& directory);
std::string problem_of(const Manifest& manifest);

}  // namespace devrun::tree
