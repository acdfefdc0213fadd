#include "cli/output/files_text.h"

#include <fmt/format.h>

#include "common/base/units.h"

namespace devrun::cli {

namespace {

struct Files {
  const Counts& counts;

  uint64_t count(const std::string& name) const {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
  }
  std::string size(const std::string& name) const {
    return format_size(static_cast<int64_t>(count(name)));
  }
};

std::string row(std::string_view name, const std::string& text) {
  return fmt::format("{:<12}{}\n", name, text);
}

std::string cache_text(const Files& files) {
  if (files.count("cache.bytes_max") == 0) {
    return row("cache", "none: memory and the store serve");
  }
  std::string out =
      row("cache", fmt::format("{} of at most {} in {} chunks", files.size("cache.bytes"),
                               files.size("cache.bytes_max"), files.count("cache.chunks")));
  out += row("", fmt::format("{} hits, {} misses, {} evicted ({})", files.count("cache.hits"),
                             files.count("cache.misses"), files.count("cache.evicted"),
                             files.size("cache.bytes_evicted")));
  if (files.count("cache.dropped") + files.count("cache.damaged") > 0) {
    out += row("", fmt::format("{} not kept (the disk is slow or full), {} found damaged",
                               files.count("cache.dropped"), files.count("cache.damaged")));
  }
  return out;
}

std::string store_text(const Files& files) {
  const std::string away = store_away_text(files.counts);
  std::string out = row("store", away.empty() ? "answers" : away);
  out += row("", fmt::format("{} NFS calls, {} read, {} sent again, {} connections made",
                             files.count("nfs.call"), files.size("nfs.bytes_read"),
                             files.count("nfs.retry"), files.count("nfs.connect")));
  if (files.count("nfs.server") > 0) {
    out +=
        row("", fmt::format("server {} of those given is in use, since the first does not answer",
                            files.count("nfs.server") + 1));
  }
  return out;
}

}  // namespace

std::string store_away_text(const Counts& counts) {
  const Files files{counts};
  const uint64_t away = files.count("nfs.away_seconds");
  if (away == 0) return {};
  return fmt::format("has not answered for {} s, {} reads wait", away, files.count("read.waiting"));
}

std::string files_text(const Counts& counts) {
  const Files files{counts};
  return cache_text(files) + store_text(files) +
         row("reads", fmt::format("{} of the kernel's, {}; {} chunks were in memory",
                                  files.count("upcall.read"), files.size("upcall.bytes_read"),
                                  files.count("body.hits")));
}

}  // namespace devrun::cli
