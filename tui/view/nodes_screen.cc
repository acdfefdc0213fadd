// Nodes: what they have, what of it is used, and who is on their GPUs. One line a node; below the selected one its GPUs.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/units.h"
#include "tui/model/columns.h"
#include "tui/model/loads.h"
#include "tui/view/draw.h"
#include "tui/view/spark.h"

namespace devrun::tui {

namespace {

uint32_t percent(int64_t part, int64_t whole) {
  return whole <= 0 ? 0 : static_cast<uint32_t>(std::clamp<int64_t>(part * 100 / whole, 0, 100));
}

struct State {
  std::string word;
  Style style;
};
State state_of(const Model& model, const NodeRow& node) {
  if (!node.connected) {
    const std::string since = node.last_heard.us == 0 ? "" : rough_age(node.last_heard, model.now);
    return {since.empty() || since == "now" ? "away" : "away " + since, Style::kWarn};
  }
  if (node.drained) return {"drained", Style::kDim};
  if (!node.trouble.empty()) return {"trouble", Style::kBad};
  return {"ready", Style::kGood};
}

// How busy a GPU is as one character, so that it can be told without colours; a dot where it belongs to nobody.
std::string heat_glyph(bool ascii, bool in_use, uint32_t busy) {
  if (!in_use) return "·";
  if (ascii) return fmt::format("{}", std::min(9U, busy / 10));
  return std::string(bar_of(busy));
}

void put_heat_map(Canvas& canvas, int row, int column, const Model& model, const NodeRow& node,
                  const NodeLoad* load, bool silent) {
  if (node.total.gpus == 0) canvas.put(row, column, "-", Style::kDim);
  for (int i = 0; i < node.total.gpus && i < kNodeGpus - 1; ++i) {
    const uint32_t index = static_cast<size_t>(i) < node.gpus.size()
                               ? node.gpus[static_cast<size_t>(i)].index
                               : static_cast<uint32_t>(i);
    const bool held = std::ranges::any_of(node.holders, [&](const GpuHolderRow& holder) {
      return std::ranges::count(holder.gpus, index) != 0;
    });
    uint32_t busy = 0;
    if (load != nullptr) {
      for (const GpuSample& gpu : load->newest.gpus) {
        if (gpu.index == index) busy = gpu.busy_percent;
      }
    }
    if (silent || (!node.connected && load == nullptr)) {
      canvas.put(row, column + i, "?", Style::kDim);
      continue;
    }
    const bool in_use = held || busy != 0;
    canvas.put(row, column + i, heat_glyph(model.ascii, in_use, busy),
               in_use ? heat(busy) : Style::kDim, 1);
  }
}

struct Histories {
  std::vector<uint8_t> cpu, memory, gpu;
  const std::vector<uint8_t>& of(int which) const {
    return which == 0 ? cpu : which == 1 ? memory : gpu;
  }
};
constexpr const char* kHistoryNames[] = {"CPU", "MEMORY", "GPU"};

Histories histories_of(const Model& model, const std::string& name, const NodeLoad* load) {
  if (!model.node_days) {
    return load == nullptr
               ? Histories{}
               : Histories{upto_now(model, name, load->cpu), upto_now(model, name, load->memory),
                           upto_now(model, name, load->gpu)};
  }
  Histories out;
  const auto days = model.node_days_series.find(name);
  if (days == model.node_days_series.end()) return out;
  const std::vector<Load>& points = days->second.points;
  const int64_t total_mib = load == nullptr ? 0 : load->newest.memory_total_bytes >> 20;
  out.cpu = in_percent(points, &Load::cpu_milli, 1000, 0);
  out.memory = in_percent(points, &Load::memory_mib, static_cast<uint32_t>(total_mib), 0);
  if (days->second.has_gpus) out.gpu = in_percent(points, &Load::gpu_percent, 100, 0);
  return out;
}

// What was told last stands there as what it is when no more comes.
void put_share(Canvas& canvas, int row, int& x, uint32_t share, bool told, bool silent) {
  if (silent) {
    canvas.put(row, x, fmt::format("was {}%", share), Style::kDim);
  } else if (told) {
    put_bar(canvas, row, x, share, kNodeBar);
    canvas.put(row, x + kNodeBar + 1, fmt::format("{}%", share), Style::kPlain);
  }
  x += kNodeShare;
}

void draw_node(const Model& model, Canvas& canvas, int row, const NodeRow& node, bool gpus) {
  const auto found = model.node_loads.find(node.name);
  const NodeLoad* load =
      found != model.node_loads.end() && found->second.told.us != 0 ? &found->second : nullptr;
  const bool silent = silent_since(model, node.name).has_value();
  const State state = state_of(model, node);
  int x = 2;
  canvas.put(row, x, node.name, Style::kPlain, kNodeName - 1);
  canvas.put(row, x += kNodeName, state.word, state.style, kNodeState - 1);
  canvas.put(row, x += kNodeState, fmt::format("{}", node.attempts), Style::kPlain);
  x += kNodeJobs;
  put_share(canvas, row, x, load == nullptr ? 0 : load->newest.cpu_permille / 10, load != nullptr,
            silent);
  put_share(
      canvas, row, x,
      load == nullptr ? 0 : percent(load->newest.memory_bytes, load->newest.memory_total_bytes),
      load != nullptr, silent);
  if (gpus) put_heat_map(canvas, row, x, model, node, load, silent);
  const NodeHistories histories = node_histories(model);
  if (!node.trouble.empty()) {
    canvas.put(row, histories.at, node.trouble, Style::kWarn);
    return;
  }
  const Histories values = histories_of(model, node.name, load);
  for (int i = 0; i < histories.shown; ++i) {
    put_spark(canvas, row, histories.at + i * (histories.width + 2), values.of(i), histories.width);
  }
}

std::string holder_of(const Model& model, const NodeRow& node, uint32_t index) {
  for (const GpuHolderRow& holder : node.holders) {
    if (std::ranges::count(holder.gpus, index) == 0) continue;
    const auto job = model.jobs.find(holder.key.job);
    return fmt::format("{}{}", to_string(holder.key),
                       job == model.jobs.end()
                           ? ""
                           : fmt::format("  {}  {}", job->second.user, job->second.command));
  }
  return "free";
}

std::string cache_text(const Counts& files) {
  const auto count = [&](const char* name) {
    const auto found = files.find(name);
    return found == files.end() ? uint64_t{0} : found->second;
  };
  const uint64_t hits = count("cache.hits");
  const uint64_t misses = count("cache.misses");
  if (hits + misses == 0) return "";
  return fmt::format("  cache: {}% of {} reads", hits * 100 / (hits + misses), hits + misses);
}

// The selected node's own lines, at the bottom of the screen.
void draw_details(const Model& model, Canvas& canvas, const NodeRow& node, int lines) {
  const auto found = model.node_loads.find(node.name);
  const NodeLoad* load = found == model.node_loads.end() ? nullptr : &found->second;
  int row = canvas.rows() - 1 - lines;
  if (lines == 0) return;
  canvas.put(row++, 0, std::string(static_cast<size_t>(canvas.columns()), '-'), Style::kDim);
  std::string words =
      fmt::format("{}: {} of {} cores, {} of {} promised", node.name,
                  cores_text(static_cast<uint32_t>(node.used.cpu_milli)),
                  cores_text(static_cast<uint32_t>(node.total.cpu_milli)),
                  format_size(node.used.memory_bytes), format_size(node.total.memory_bytes));
  const auto silent = silent_since(model, node.name);
  if (silent) {
    words += fmt::format("; told nothing for {}", age(*silent, model.now));
  } else if (load != nullptr) {
    words += fmt::format("; disk {}/s read, {}/s written", format_size(load->newest.read_bytes_s),
                         format_size(load->newest.written_bytes_s));
  }
  canvas.put(row++, 2, words + cache_text(node.files), Style::kPlain);
  const NodeHistories histories = node_histories(model);
  const Histories values = histories_of(model, node.name, load);
  const int last =
      node.total.gpus == 0 ? std::min(histories.in_all, kGpuHistory) : histories.in_all;
  for (int i = histories.shown; i < last && row + 1 < canvas.rows(); ++i, ++row) {
    canvas.put(row, 2, fmt::format("{} {}", kHistoryNames[i], model.node_days ? "2d" : "5m"),
               Style::kDim);
    put_spark(canvas, row, 12, values.of(i), std::clamp(canvas.columns() - 14, 0, 150));
  }
  for (const Gpu& gpu : node.gpus) {
    if (row + 1 >= canvas.rows()) break;
    canvas.put(row, 2, fmt::format("GPU {:<2} {}", gpu.index, gpu.type), Style::kPlain, 20);
    for (const GpuSample& sample : load == nullptr ? std::vector<GpuSample>() : load->newest.gpus) {
      if (sample.index != gpu.index) continue;
      if (silent) {
        canvas.put(
            row, 23,
            fmt::format("was {}%, {}", sample.busy_percent, format_size(sample.memory_bytes)),
            Style::kDim);
        continue;
      }
      if (gpu.slice.empty()) {  // of slices the driver tells no use
        put_bar(canvas, row, 23, sample.busy_percent, kNodeBar);
        canvas.put(row, 34, fmt::format("{}%", sample.busy_percent), Style::kPlain);
      }
      canvas.put(row, 40,
                 fmt::format("{} of {}", format_size(sample.memory_bytes),
                             format_size(sample.memory_total_bytes)),
                 Style::kPlain);
    }
    const int used = canvas.put(row, 60, holder_of(model, node, gpu.index), Style::kPlain);
    if (!gpu.trouble.empty() || !gpu.others.empty()) {
      canvas.put(row, 62 + used, gpu.trouble.empty() ? "also used by " + gpu.others : gpu.trouble,
                 Style::kBad);
    }
    ++row;
  }
}

}  // namespace

void draw_nodes(const Model& model, Canvas& canvas) {
  const bool gpus = any_gpus(model);
  canvas.paint_row(1, Style::kHead);
  int x = 2;
  for (const auto& [title, width] : {std::pair("NODE", kNodeName),
                                     {"STATE", kNodeState},
                                     {"JOBS", kNodeJobs},
                                     {"CPU", kNodeShare},
                                     {"MEMORY", kNodeShare},
                                     {gpus ? "GPUS" : "", gpus ? kNodeGpus : 0}}) {
    canvas.put(1, x, title, Style::kHead);
    x += width;
  }
  const NodeHistories histories = node_histories(model);
  for (int i = 0; i < histories.shown; ++i) {
    canvas.put(1, histories.at + i * (histories.width + 2),
               fmt::format("{}{}", kHistoryNames[i],
                           i > 0             ? ""
                           : model.node_days ? ", 2 DAYS"
                                             : ", 5 MINUTES"),
               Style::kHead);
  }
  if (model.nodes.empty()) {
    if (model.ever_connected) canvas.put(3, 2, "No nodes. Try: devrun nodes add", Style::kDim);
    return;
  }
  const auto selected =
      std::next(model.nodes.begin(),
                static_cast<long>(std::min(model.node_cursor.row, model.nodes.size() - 1)));
  const int below = static_cast<int>(node_detail_rows(model));
  draw_details(model, canvas, selected->second, below);
  const int last = canvas.rows() - 1 - below;
  int row = 2;
  auto node = std::next(model.nodes.begin(),
                        static_cast<long>(std::min(model.node_cursor.top, model.nodes.size() - 1)));
  for (; node != model.nodes.end() && row < last; ++node, ++row) {
    draw_node(model, canvas, row, node->second, gpus);
    if (node == selected) canvas.paint_row(row, Style::kSelected);
  }
}

}  // namespace devrun::tui
