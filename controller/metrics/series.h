// Series of bounded length. `FixedSeries` keeps the newest points of one step. `WideningSeries` keeps all of a job's life in
// the same room: when it is full, two points become one and the step doubles. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "common/base/time.h"
#include "common/model/sample.h"

namespace devrun::controller {

// The mean of what was added since it was taken last. What is nothing at all (Load{}) was not told: it counts as time that
// has gone by alone, and a mean of nothing else is nothing.
class Mean {
 public:
  void add(const Load& load);
  Load take();
  uint32_t count() const { return count_; }

 private:
  uint64_t cpu_ = 0, memory_ = 0, gpu_ = 0, io_ = 0;
  uint32_t count_ = 0;
  uint32_t told_ = 0;
};

class FixedSeries {
 public:
  explicit FixedSeries(size_t points_max) : points_max_(points_max) {}
  void add(const Load& point);
  const std::deque<Load>& points() const { return points_; }

 private:
  const size_t points_max_;
  std::deque<Load> points_;
};

class WideningSeries {
 public:
  // `step`: between two calls of add().
  WideningSeries(Duration step, size_t points_max) : step_(step), points_max_(points_max) {}
  void add(const Load& load);
  const std::vector<Load>& points() const { return points_; }
  Duration step() const { return {step_.us * per_point_}; }

 private:
  const Duration step_;
  const size_t points_max_;
  std::vector<Load> points_;
  uint32_t per_point_ = 1;  // how many of what was added make one
  Mean open_;
};

}  // namespace devrun::controller
