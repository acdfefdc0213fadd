// Bytes ⇄ values of the snapshot format. Writers are deterministic; readers accept exactly what
// writers write and name what is wrong otherwise (kCorrupt). Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::tree {

Digest sha256(std::string_view data);

// A directory object and its name.
struct Object {
  Digest id;
  std::string bytes;
};
// `directory.entries` must be sorted and valid (CHECKed): they come from our own walk. Lineages
// equal to `lineage` are left out of the entries.
Object encode_directory(const Directory& directory, const Lineage& lineage);
Result<Directory> decode_directory(std::string_view bytes);

std::string encode_manifest(const Manifest& manifest);
Result<Manifest> decode_manifest(std::string_view bytes);

// A pack file's bytes; its name is their SHA-256.
std::string encode_pack(const std::vector<std::string_view>& objects);
// The objects, each with its computed name. Limits: 1 GiB decompressed, 1 GiB an object.
Result<std::vector<Object>> decode_pack(std::string_view bytes);

}  // namespace devrun::tree
