// Events between the core's variant (controller/core/event.h) and proto/devrun/v1/event.proto.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "controller/core/event.h"

namespace devrun::controller {

std::string encode(const Event& event);
// kCorrupt if it is not an event.
Result<Event> decode(std::string_view bytes);

}  // namespace devrun::controller
