// The counters of a devrun-fs as one JSON object:   bench_fs_statistics SOCKET
#include <cstdio>

#include "agent/volume/fs_client.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto counters = devrun::fs_statistics(argv[1]);
  if (!counters) {
    std::fprintf(stderr, "bench_fs_statistics: %s\n", counters.error().message.c_str());
    return 1;
  }
  const char* before = "{";
  for (const auto& [name, value] : *counters) {
    std::printf("%s\"%s\": %llu", before, name.c_str(), static_cast<unsigned long long>(value));
    before = ", ";
  }
  std::puts("}");
  return 0;
}
