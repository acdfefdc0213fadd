// Keys of the lists of nodes, of the queue, of volumes and of their snapshots.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tui/model/keys.h"

namespace devrun::tui {

bool press_in_nodes(Model& model, char32_t c, std::vector<Command>& commands) {
  if (move_cursor(model.node_cursor, c, model.nodes.size(), list_rows(model))) return true;
  if (model.node_cursor.row >= model.nodes.size()) return false;
  const auto node = std::next(model.nodes.begin(), static_cast<long>(model.node_cursor.row));
  if (c == U't') {
    model.node_days = !model.node_days;
    commands.push_back(FetchNodeSeries{model.node_days});
  } else if (c == kEnterKey) {
    open_screen(model, Screen::kJobs, commands);
    model.filter_before_node = std::exchange(model.filter, "node:^" + node->first + "$");
  } else if (c == U'i') {
    show_text(model, "node " + node->first, {"nodes", "show", node->first}, commands);
  } else if (c == U'y') {
    copy(model, node->first, commands);
  } else {
    return false;
  }
  return true;
}

bool press_in_queue(Model& model, char32_t c, std::vector<Command>& commands) {
  const bool moved = move_cursor(model.queue_cursor, c, model.queue.size(), list_rows(model));
  if (model.queue_cursor.row >= model.queue.size()) return moved;
  const JobId job = model.queue[model.queue_cursor.row].job;
  model.selected = job;
  model.part.reset();
  if (moved) return true;
  if (c != kEnterKey) return false;
  if (job == 0) {
    say(model, "that is another user's job");
  } else {
    open_screen(model, Screen::kJob, commands);
  }
  return true;
}

bool press_in_volumes(Model& model, char32_t c, std::vector<Command>& commands) {
  if (move_cursor(model.volume_cursor, c, model.volumes.size(), list_rows(model))) return true;
  if (model.volume_cursor.row >= model.volumes.size()) return false;
  const std::string& name = model.volumes[model.volume_cursor.row].name;
  if (c == kEnterKey) {
    model.snapshots_of = name;
    model.snapshots.clear();
    model.snapshots_failure.clear();
    model.snapshot_cursor = {};
    model.snapshot_mark.reset();
    open_screen(model, Screen::kSnapshots, commands);
    commands.push_back(FetchSnapshots{name});
  } else if (c == U'y') {
    copy(model, name, commands);
  } else {
    return false;
  }
  return true;
}

bool press_in_snapshots(Model& model, char32_t c, std::vector<Command>& commands) {
  if (move_cursor(model.snapshot_cursor, c, model.snapshots.size(), list_rows(model))) return true;
  if (model.snapshot_cursor.row >= model.snapshots.size()) return false;
  const uint64_t number = model.snapshots[model.snapshot_cursor.row].number;
  const auto name = [&](uint64_t n) { return fmt::format("{}@{}", model.snapshots_of, n); };
  if (c == U' ') {
    if (model.snapshot_mark == number) {
      model.snapshot_mark.reset();
    } else {
      model.snapshot_mark = number;
    }
  } else if (c == U'd' || c == kEnterKey) {
    // With the marked one, else with the one before.
    const auto& rows = model.snapshots;
    const size_t row = model.snapshot_cursor.row;
    if (!model.snapshot_mark && row + 1 >= rows.size()) {
      say(model, "this is the oldest one: mark another with Space to compare with it");
      return true;
    }
    const uint64_t other = model.snapshot_mark ? *model.snapshot_mark : rows[row + 1].number;
    const uint64_t from = std::min(other, number);
    const uint64_t to = std::max(other, number);
    if (from == to) {
      say(model, "mark another one with Space to compare with it");
      return true;
    }
    show_text(model, fmt::format("{} to {}", name(from), name(to)),
              {"snapshot", "diff", name(from), name(to)}, commands);
  } else if (c == U'y') {
    copy(model, name(number), commands);
  } else {
    return false;
  }
  return true;
}

}  // namespace devrun::tui
