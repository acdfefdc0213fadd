#include "common/model/resources.h"

#include <algorithm>

namespace devrun {

namespace {

void change_extras(Resources& to, const Resources& by, int sign) {
  for (const auto& [name, amount] : by.extras) {
    int64_t& of = to.extras[name];
    of += sign * amount;
    if (of == 0) to.extras.erase(name);
  }
}

void change(Resources& to, const Resources& by, int sign) {
  to.cpu_milli += sign * by.cpu_milli;
  to.memory_bytes += sign * by.memory_bytes;
  to.gpus += sign * by.gpus;
  change_extras(to, by, sign);
}

}  // namespace

void add(Resources& to, const Resources& what) {
  change(to, what, 1);
}

void take(Resources& from, const Resources& what) {
  change(from, what, -1);
}

void take_extras(Resources& from, const Resources& what) {
  change_extras(from, what, -1);
}

bool covers(const Resources& of, const Resources& need) {
  return need.gpus <= of.gpus && covers_but_gpus(of, need);
}

bool covers_but_gpus(const Resources& of, const Resources& need) {
  return need.cpu_milli <= of.cpu_milli && need.memory_bytes <= of.memory_bytes &&
         covers_extras(of, need);
}

bool covers_extras(const Resources& of, const Resources& need) {
  return std::all_of(need.extras.begin(), need.extras.end(),
                     [&](const auto& extra) { return extra.second <= extra_of(of, extra.first); });
}

double gpus_held(const Resources& need) {
  return need.gpu_milli != 0 ? static_cast<double>(need.gpu_milli) / 1000 : need.gpus;
}

int64_t extra_of(const Resources& of, const std::string& name) {
  const auto it = of.extras.find(name);
  return it == of.extras.end() ? 0 : it->second;
}

}  // namespace devrun
