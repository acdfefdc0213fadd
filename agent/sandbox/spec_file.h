// The file `spec` of an attempt's folder. Apart, because it alone needs the protobuf.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/attempt.h"

namespace devrun::sandbox {

std::string spec_bytes(const AttemptSpec& spec);
Result<AttemptSpec> spec_of(std::string_view bytes);

}  // namespace devrun::sandbox
