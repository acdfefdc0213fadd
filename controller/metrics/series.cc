#include "controller/metrics/series.h"

namespace devrun::controller {

void Mean::add(const Load& load) {
  ++count_;
  if (load == Load{}) return;
  cpu_ += load.cpu_milli;
  memory_ += load.memory_mib;
  gpu_ += load.gpu_percent;
  io_ += load.io_kib_s;
  ++told_;
}

Load Mean::take() {
  Load out;
  if (told_ != 0) {
    const auto mean = [this](uint64_t sum) { return static_cast<uint32_t>(sum / told_); };
    // Up, as each of them was: a point that is not 0 does not become 0.
    const auto memory = static_cast<uint32_t>((memory_ + told_ - 1) / told_);
    out = {mean(cpu_), memory, mean(gpu_), mean(io_)};
  }
  *this = Mean{};
  return out;
}

void FixedSeries::add(const Load& point) {
  points_.push_back(point);
  if (points_.size() > points_max_) points_.pop_front();
}

void WideningSeries::add(const Load& load) {
  open_.add(load);
  if (open_.count() < per_point_) return;
  points_.push_back(open_.take());
  if (points_.size() < points_max_) return;
  std::vector<Load> half;
  for (size_t i = 0; i + 1 < points_.size(); i += 2) {
    Mean two;
    two.add(points_[i]);
    two.add(points_[i + 1]);
    half.push_back(two.take());
  }
  points_ = std::move(half);
  per_point_ *= 2;
}

}  // namespace devrun::controller
