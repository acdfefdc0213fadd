// Whether a word is a program here, as a shell would look for it. What a job finds is its volume's affair; this only
// tells what somebody meant.
#pragma once

#include <string>
#include <string_view>

namespace devrun::cli {

// `path` is $PATH. A name with a slash is looked for where it says, an empty folder in the list is the current one.
bool is_program(const std::string& name, std::string_view path);

}  // namespace devrun::cli
