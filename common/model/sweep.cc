#include "common/model/sweep.h"

#include <algorithm>

namespace devrun {

uint64_t sweep_points(const std::vector<SweepVariable>& sweep, uint64_t most) {
  uint64_t out = 1;
  for (const SweepVariable& variable : sweep) {
    if (variable.values.empty() || variable.values.size() > most / out) return kNoPoints;
    out *= variable.values.size();
  }
  return out;
}

std::vector<std::string> sweep_point(const std::vector<SweepVariable>& sweep, uint64_t position) {
  std::vector<std::string> out(sweep.size());
  for (size_t i = sweep.size(); i-- > 0;) {
    const std::vector<std::string>& values = sweep[i].values;
    out[i] = sweep[i].name + "=" + values[position % values.size()];
    position /= values.size();
  }
  return out;
}

std::string sweep_point_text(const std::vector<SweepVariable>& sweep, uint64_t position) {
  std::string out;
  for (const std::string& variable : sweep_point(sweep, position)) {
    out += (out.empty() ? "" : " ") + variable;
  }
  return out;
}

}  // namespace devrun
