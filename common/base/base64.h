// Bytes as text (RFC 4648, section 4: with + and /, padded).
#pragma once

#include <string>
#include <string_view>

namespace devrun {

std::string base64(std::string_view bytes);

}  // namespace devrun
