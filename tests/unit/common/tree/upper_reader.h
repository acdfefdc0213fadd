// An overlay's upper layer read from disk, for tests.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/tree/upper.h"

namespace devrun::tree {

// The body of a regular file that is not empty.
using BodyOf = std::function<Body(const std::filesystem::path&)>;

std::string read_file(const std::filesystem::path& path);
Body inline_body(const std::filesystem::path& path);  // of any size

// But for a directory's object. Fails the test at what cannot be read.
Entry stat_of(const std::filesystem::path& path, const BodyOf& body_of = inline_body);
std::vector<std::filesystem::path> names_in(const std::filesystem::path& folder);  // sorted
UpperFolder read_upper(const std::filesystem::path& path, const BodyOf& body_of = inline_body);

}  // namespace devrun::tree
