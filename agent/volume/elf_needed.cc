#include "agent/volume/elf_needed.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace devrun::volume {

namespace {

constexpr size_t kNeededMax = 512;
constexpr size_t kProgramHeadersMax = 64;
constexpr uint64_t kDynamicBytesMax = 64 << 10;
constexpr uint64_t kNamesBytesMax = 1 << 20;

template <typename Value>
bool read_value(std::string_view bytes, size_t at, Value& out) {
  if (at > bytes.size() || bytes.size() - at < sizeof out) return false;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return true;
}

struct Segments {
  std::vector<Elf64_Phdr> loaded;
  Elf64_Phdr dynamic{};
};

Segments segments_of(std::string_view head) {
  Segments out;
  Elf64_Ehdr header;
  if (!is_elf(head) || !read_value(head, 0, header)) return out;
  for (size_t i = 0; i < std::min<size_t>(header.e_phnum, kProgramHeadersMax); ++i) {
    Elf64_Phdr segment;
    if (!read_value(head, header.e_phoff + i * sizeof segment, segment)) break;
    if (segment.p_type == PT_LOAD) out.loaded.push_back(segment);
    if (segment.p_type == PT_DYNAMIC) out.dynamic = segment;
  }
  return out;
}

// Where in the file the loader's address lies; 0: nowhere.
uint64_t offset_of(const Segments& segments, uint64_t address) {
  for (const Elf64_Phdr& segment : segments.loaded) {
    if (address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz) {
      return segment.p_offset + (address - segment.p_vaddr);
    }
  }
  return 0;
}

}  // namespace

bool is_elf(std::string_view head) {
  return head.size() >= sizeof(Elf64_Ehdr) && std::memcmp(head.data(), ELFMAG, SELFMAG) == 0 &&
         head[EI_CLASS] == ELFCLASS64 && head[EI_DATA] == ELFDATA2LSB;
}

std::vector<std::string> elf_needed(const ReadBytes& read) {
  std::vector<std::string> out;
  const Segments segments = segments_of(read(0, kElfHeadBytes));
  if (segments.dynamic.p_filesz == 0) return out;
  const std::string dynamic =
      read(segments.dynamic.p_offset, std::min(segments.dynamic.p_filesz, kDynamicBytesMax));
  std::vector<uint64_t> names_at;
  uint64_t names = 0;
  uint64_t names_bytes = 0;
  Elf64_Dyn entry;
  for (size_t at = 0; read_value(dynamic, at, entry) && entry.d_tag != DT_NULL;
       at += sizeof entry) {
    if (entry.d_tag == DT_NEEDED && names_at.size() < kNeededMax) {
      names_at.push_back(entry.d_un.d_val);
    }
    if (entry.d_tag == DT_STRTAB) names = offset_of(segments, entry.d_un.d_ptr);
    if (entry.d_tag == DT_STRSZ) names_bytes = entry.d_un.d_val;
  }
  if (names_at.empty() || names == 0) return out;
  // The names that are needed lie anywhere in the table; most lie in its first part.
  const uint64_t last = *std::max_element(names_at.begin(), names_at.end());
  const uint64_t wanted = std::min({names_bytes, kNamesBytesMax, last + 256});
  const std::string table = read(names, wanted);
  for (const uint64_t at : names_at) {
    if (at >= table.size()) continue;
    const size_t end = table.find('\0', at);
    if (end == std::string::npos) continue;
    std::string name = table.substr(at, end - at);
    if (!name.empty() && name.find('/') == std::string::npos) out.push_back(std::move(name));
  }
  return out;
}

}  // namespace devrun::volume
