// What nodes told of their load: the newest sample of each, and series of bounded length: of a node the last five minutes
// by two seconds and the last two days by ten minutes, of a job its whole life in some hundred points. In memory alone.
//
//   agents ──tell──▶ newest samples ──fold, every 2 s──▶ series ──▶ whoever asks
//
// Any thread: one lock, held shortly.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/sample.h"
#include "controller/metrics/series.h"

namespace devrun::controller {

inline constexpr Duration kFoldEvery = seconds(2);
inline constexpr size_t kFinePointsMax = 150;
inline constexpr size_t kCoarsePointsMax = 288;
inline constexpr uint32_t kFoldsPerCoarsePoint = 300;
inline constexpr size_t kJobPointsMax = 180;
inline constexpr size_t kJobSeriesMax = 10'000;
inline constexpr Duration kSampleIsOldAfter = seconds(15);
inline constexpr uint32_t kGpusIdleFromS = 10;
inline constexpr Duration kJobSeriesKept = seconds(6 * 3600);  // after its last sample

class SampleBook {
 public:
  void tell(NodeSample sample, Time now);
  // Takes the newest samples into the series, at most once in kFoldEvery.
  void fold(Time now);

  // Of the nodes that told something after `after`, which becomes the number of the newest.
  std::vector<NodeSample> newer_than(uint64_t& after) const;
  std::vector<NodeSample> newest(Time now) const;  // those that are not old
  // Of the samples that are not old, those of attempts whose GPUs have all been idle for at least kGpusIdleFromS.
  std::vector<AttemptSample> idle_gpus(Time now) const;
  std::vector<GpuSample> gpus_of(const std::string& node, Time now) const;  // likewise not old
  // `node` empty: of all.
  std::vector<LoadSeries> node_series(const std::string& node, bool days, size_t points_max) const;
  std::optional<LoadSeries> job_series(JobId job, size_t points_max) const;

 private:
  struct OfNode {
    NodeSample newest;
    Time told;
    uint64_t number = 0;
    std::map<AttemptKey, Time> idle_since;  // attempts with GPUs that do nothing
    FixedSeries fine{kFinePointsMax};
    FixedSeries coarse{kCoarsePointsMax};
    Mean open;
  };
  struct OfJob {
    WideningSeries series{kFoldEvery, kJobPointsMax};
    Time last;
    bool has_gpus = false;
  };
  struct Sum;

  void note_idle(OfNode& node, NodeSample& sample, Time now);
  void forget_old(Time now);

  mutable std::mutex mutex_;
  std::map<std::string, OfNode> nodes_;
  std::map<JobId, OfJob> jobs_;
  uint64_t number_ = 0;
  Time folded_;
};

}  // namespace devrun::controller
