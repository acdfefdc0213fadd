#include "tests/sim/checks.h"

namespace devrun::sim {

Checks::Checks() {
  all_.push_back(check_room());
  all_.push_back(check_single());
  all_.push_back(check_gang());
  all_.push_back(check_array());
  all_.push_back(check_order());
  all_.push_back(check_final());
  all_.push_back(check_replay());
  all_.push_back(check_durable());
  all_.push_back(check_requests());
  all_.push_back(check_output());
  all_.push_back(check_leases());
  all_.push_back(check_limits());
  all_.push_back(check_explain());
  all_.push_back(check_leaks());
}

}  // namespace devrun::sim
