// Records of the client as rows of the monitor.
#pragma once

#include "cli/client/controller.h"
#include "tui/model/event.h"

namespace devrun::cli {

tui::JobRow row_of(const JobRecord& job);
tui::NodeRow row_of(const NodeRecord& node);
tui::Pushed pushed_of(const WatchNews& news);
tui::QueueFetched queue_of(const QueueRecord& queue);
tui::VolumeRow row_of(const VolumeRecord& volume);
tui::SnapshotRow row_of(const SnapshotRecord& snapshot);

}  // namespace devrun::cli
