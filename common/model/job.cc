#include "common/model/job.h"

namespace devrun {

std::string_view setup_how_name(SetupHow how) {
  switch (how) {
    case SetupHow::kHit:
      return "hit";
    case SetupHow::kNear:
      return "near";
    case SetupHow::kCold:
      return "cold";
  }
  return "cold";
}

std::string_view state_name(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "QUEUED";
    case JobState::kStarting:
      return "STARTING";
    case JobState::kSettingUp:
      return "SETTING_UP";
    case JobState::kRunning:
      return "RUNNING";
    case JobState::kCompleting:
      return "COMPLETING";
    case JobState::kUnreachable:
      return "UNREACHABLE";
    case JobState::kSucceeded:
      return "SUCCEEDED";
    case JobState::kFailed:
      return "FAILED";
    case JobState::kCancelled:
      return "CANCELLED";
    case JobState::kTimedOut:
      return "TIMED_OUT";
    case JobState::kNodeLost:
      return "NODE_LOST";
  }
  return "?";
}

bool is_final(JobState state) {
  return state >= JobState::kSucceeded;
}

}  // namespace devrun
