#include "agent/gpu/soname.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/runtime/file.h"

namespace devrun::gpu {

namespace {

constexpr size_t kNameBytesMax = 256;
constexpr size_t kHeadersMax = 64;
constexpr size_t kDynamicMax = 1024;

template <typename T>
bool read_at(int fd, uint64_t offset, T* out, size_t count) {
  const size_t bytes = sizeof(T) * count;
  return ::pread(fd, out, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

// Where an address of the loaded library lies in its file; 0 if nowhere.
uint64_t file_offset(const std::vector<Elf64_Phdr>& headers, uint64_t address) {
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type != PT_LOAD || address < header.p_vaddr) continue;
    if (address - header.p_vaddr < header.p_filesz)
      return address - header.p_vaddr + header.p_offset;
  }
  return 0;
}

}  // namespace

std::string soname_of(const std::string& path) {
  const Result<UniqueFd> fd = open_file(path, O_RDONLY);
  Elf64_Ehdr elf{};
  if (!fd || !read_at(fd->get(), 0, &elf, 1)) return {};
  if (std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64) {
    return {};
  }
  std::vector<Elf64_Phdr> headers(std::min<size_t>(elf.e_phnum, kHeadersMax));
  if (!read_at(fd->get(), elf.e_phoff, headers.data(), headers.size())) return {};
  const auto dynamic = std::find_if(headers.begin(), headers.end(),
                                    [](const Elf64_Phdr& h) { return h.p_type == PT_DYNAMIC; });
  if (dynamic == headers.end()) return {};
  std::vector<Elf64_Dyn> entries(
      std::min<size_t>(dynamic->p_filesz / sizeof(Elf64_Dyn), kDynamicMax));
  if (!read_at(fd->get(), dynamic->p_offset, entries.data(), entries.size())) return {};
  uint64_t texts = 0;
  uint64_t name = 0;
  for (const Elf64_Dyn& entry : entries) {
    if (entry.d_tag == DT_STRTAB) texts = entry.d_un.d_ptr;
    if (entry.d_tag == DT_SONAME) name = entry.d_un.d_val;
  }
  const uint64_t at = file_offset(headers, texts);
  if (name == 0 || at == 0) return {};
  char text[kNameBytesMax] = {};
  if (::pread(fd->get(), text, sizeof text - 1, static_cast<off_t>(at + name)) <= 0) return {};
  const std::string out(text);
  // It becomes a path.
  return out.find('/') == std::string::npos ? out : std::string();
}

}  // namespace devrun::gpu
