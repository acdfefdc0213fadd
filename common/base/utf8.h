// Text that may be any bytes (names of files, arguments, what other programs say) on its way into
// messages that must be UTF-8: protobuf's readers refuse a whole message for one bad byte. Pure.
#pragma once

#include <string>
#include <string_view>

namespace devrun {

// Bytes of the code point that `text`, not empty, begins with; 0 if it begins with none. As RFC 3629
// has it: no overlong forms, no surrogates, nothing above U+10FFFF.
size_t code_point_bytes(std::string_view text);

bool is_utf8(std::string_view text);

// The same text, each byte that is no part of UTF-8 as `\xff`.
std::string in_utf8(std::string_view text);

}  // namespace devrun
